import { useEffect, useState } from "preact/hooks";
import type { Place } from "../compare/data.ts";
import { Strip } from "../compare/Strip.tsx";
import type { Line } from "../document/requests.ts";
import { count } from "../numbers.ts";
import { Failure } from "../parts/Failure.tsx";
import { announce } from "../state/announce.ts";
import { useLoad } from "../state/load.ts";
import { may } from "../state/may.ts";
import { zone } from "../state/zone.ts";
import { previewOf, saveIgnored } from "./data.ts";
import { withTried } from "./ignoring.ts";

interface TrialProps {
  place: Place;
  ignored: string[];
  trying: string[];
  history: Line | undefined;
  saved: () => void;
}

const UNDO_MS = 10_000;

/** The endpoint's timeline, on which the rules that are tried fade what they would have silenced. */
export function Trial({ place, ignored, trying, history, saved }: TrialProps) {
  const rules = withTried(ignored, trying);
  const preview = useLoad(
    (signal) => (trying.length > 0 ? previewOf(place, rules, signal) : Promise.resolve(null)),
    [place, rules.join("\n"), trying.length],
  );
  const [undo, setUndo] = useState<string[] | null>(null);
  const [failed, setFailed] = useState<unknown>(null);
  useEffect(() => {
    if (!undo) return;
    const timer = setTimeout(() => setUndo(null), UNDO_MS);
    return () => clearTimeout(timer);
  }, [undo]);
  const store = async (next: string[], back: string[] | null, said: string) => {
    setFailed(null);
    try {
      await saveIgnored(place, next);
      announce(said);
      setUndo(back);
      saved();
    } catch (error) {
      setFailed(error);
    }
  };
  const silenced = new Set(trying.length > 0 ? preview.data?.snapshots : []);
  return (
    <section class="time trial-box" aria-label="What is ignored">
      <div class="bar">
        {trying.length > 0 ? (
          <Verdict preview={preview.data ?? null} rules={trying} />
        ) : (
          <Standing
            ignored={ignored}
            drop={(rule) =>
              void store(
                ignored.filter((other) => other !== rule),
                ignored,
                `${rule} is no longer ignored`,
              )
            }
          />
        )}
        <span class="grow" />
        {trying.length > 0 && !may("endpoints:write") && (
          <span class="quiet">An editor of the project can save it.</span>
        )}
        {trying.length > 0 && may("endpoints:write") && (
          <button type="button" class="btn primary" onClick={() => void store(rules, ignored, "Saved")}>
            Save
          </button>
        )}
        {trying.length > 0 && (
          <button type="button" class="btn" onClick={saved}>
            Undo
          </button>
        )}
        {undo && trying.length === 0 && (
          <button type="button" class="btn" onClick={() => void store(undo, null, "Undone")}>
            Undo the last change
          </button>
        )}
      </div>
      {(preview.error ?? failed) ? (
        <Failure tried="Trying the rule" error={preview.error ?? failed} retry={preview.again} />
      ) : null}
      {history?.whole && (
        <div class="abline">
          <Strip
            bars={history.bars}
            bucketMs={history.bucketMs}
            whole={history.whole}
            zone={zone.value}
            label="Changes over time"
            fades={(bar) => silenced.has(bar.id)}
          />
        </div>
      )}
    </section>
  );
}

function Verdict({ preview, rules }: { preview: { silenced: number; of: number } | null; rules: string[] }) {
  return (
    <p role="status">
      Ignoring <code>{rules.join(", ")}</code>{" "}
      {preview ? (
        <>
          would have silenced <b>{count(preview.silenced)}</b> of {count(preview.of)} changes
        </>
      ) : (
        "is tried on the last versions …"
      )}
    </p>
  );
}

function Standing({ ignored, drop }: { ignored: string[]; drop: (rule: string) => void }) {
  if (ignored.length === 0)
    return <p class="quiet">Nothing is ignored. Try a field: its changes fade below before anything is saved.</p>;
  return (
    <p>
      Ignored:{" "}
      {ignored.map((rule) => (
        <button
          key={rule}
          type="button"
          class="fchip nz"
          title="Ignore no longer"
          disabled={!may("endpoints:write")}
          onClick={() => drop(rule)}
        >
          {rule} <span aria-hidden="true">×</span>
          <span class="sr">: ignore no longer</span>
        </button>
      ))}
    </p>
  );
}
