import type { VNode } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { Failure } from "../parts/Failure";
import { useFocusBack } from "../state/focusBack";
import { may } from "../state/may";
import { type Preview, type Source, tryDiff } from "./requests";

export interface IgnoreProps {
  source: Source;
  /** Of the field, and what is ignored already. */
  pattern: string;
  ignored: readonly string[];
  /** How the time of a version is written. */
  timeOf: (id: string) => string;
  onIgnore: (pattern: string) => Promise<void>;
  onGo: (id: string) => void;
  onClose: () => void;
}

const SHOWN = 6;

/** Which changes a rule would silence, before it is made: nothing is hidden without a word. */
export function Ignore({ source, pattern, ignored, timeOf, onIgnore, onGo, onClose }: IgnoreProps): VNode {
  const box = useRef<HTMLDivElement>(null);
  const [preview, setPreview] = useState<Preview | null>(null);
  const [error, setError] = useState<unknown>(null);
  const [turn, setTurn] = useState(0);
  const [saving, setSaving] = useState(false);
  useEffect(() => {
    const left = new AbortController();
    setError(null);
    tryDiff(source, { ignore: [...ignored, pattern] }, left.signal).then(setPreview, (caught: unknown) => {
      if (!left.signal.aborted) setError(caught);
    });
    return () => left.abort();
  }, [source, pattern, ignored, turn]);
  useFocusBack(box);
  useEffect(() => box.current?.focus(), []);
  const ignore = (): void => {
    setSaving(true);
    onIgnore(pattern).catch((caught: unknown) => {
      setSaving(false);
      setError(caught);
    });
  };
  return (
    <div
      ref={box}
      class="drawer"
      role="dialog"
      aria-label={`Ignore ${pattern}`}
      tabIndex={-1}
      onKeyDown={(event) => event.key === "Escape" && [event.stopPropagation(), onClose()]}
    >
      <h2>
        Ignore <code>{pattern}</code>
      </h2>
      {error !== null && <Failure tried="Trying it on the history" error={error} retry={() => setTurn(turn + 1)} />}
      {error === null && !preview && <p class="quiet">Trying it on the last 200 versions …</p>}
      {preview && (
        <>
          <p>
            Silences <b>{preview.silenced.toLocaleString()}</b> of {preview.of.toLocaleString()} changes, those in which
            nothing else changed, and leaves out {(preview.changes - preview.changes_left).toLocaleString()} of{" "}
            {preview.changes.toLocaleString()} changed values. The stored documents keep all of them.
          </p>
          <ul>
            {preview.snapshots.slice(0, SHOWN).map((id) => (
              <li key={id}>
                <button type="button" onClick={() => onGo(id)}>
                  {timeOf(id)}
                </button>
              </li>
            ))}
          </ul>
          {preview.silenced > SHOWN && <p class="quiet">and {(preview.silenced - SHOWN).toLocaleString()} more</p>}
        </>
      )}
      <footer>
        {may("endpoints:write") ? (
          <button class="btn primary" type="button" disabled={saving} onClick={ignore}>
            Ignore this field
          </button>
        ) : (
          <span class="quiet">An editor of the project can ignore it.</span>
        )}
        <button class="btn ghost" type="button" onClick={onClose}>
          Cancel
        </button>
      </footer>
    </div>
  );
}
