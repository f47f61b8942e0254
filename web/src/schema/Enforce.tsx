import { useState } from "preact/hooks";
import type { Place } from "../compare/data.ts";
import { counted } from "../numbers.ts";
import { Failure } from "../parts/Failure.tsx";
import { Loading } from "../parts/Loading.tsx";
import { Locked } from "../parts/Locked.tsx";
import { Segments } from "../parts/Segments.tsx";
import { useLoad } from "../state/load.ts";
import { toast } from "../state/toasts.ts";
import { type Enforcement, enforcementOf, type Mode, save, type Trial, tried } from "./data.ts";
import { KeptAside } from "./KeptAside.tsx";

const MODES: Record<Mode, string> = { off: "Off", warn: "Warn", reject: "Reject" };
const SAID: Record<Mode, string> = {
  off: "Documents are stored whatever they are.",
  warn: "A document that does not fit is stored, and its sender and webhooks hear of it.",
  reject: "A document that does not fit is refused; a polled one is kept aside.",
};

/** What documents are held against, with what that would have refused of the last ones; those kept aside, which may be
 * `accepted`. */
export function Enforce({ place, accepted }: { place: Place; accepted: () => void }) {
  const own = useLoad((signal) => enforcementOf(place, signal), [place]);
  if (own.error) return <Failure tried="Loading the enforcement" error={own.error} retry={own.again} />;
  if (!own.data) return <Loading label="Loading the enforcement" />;
  return (
    <>
      <Form key={own.data.changed_at} place={place} stored={own.data} again={own.again} />
      <KeptAside place={place} accepted={accepted} />
    </>
  );
}

function Form({ place, stored, again }: { place: Place; stored: Enforcement; again: () => void }) {
  const [mode, setMode] = useState<Mode>(stored.mode);
  const given = stored.source === "given" ? JSON.stringify(stored.schema, null, 2) : "";
  const [text, setText] = useState(given);
  const [trial, setTrial] = useState<Trial | null>(null);
  const [failure, setFailure] = useState<{ tried: string; error: unknown } | null>(null);
  const [busy, setBusy] = useState(false);
  // to hold documents against what has been learned by now is something new each time
  const isChanged = mode !== stored.mode || (mode !== "off" && (text !== given || text === ""));
  const run = async (what: string, work: () => Promise<void>) => {
    setBusy(true);
    setFailure(null);
    try {
      await work();
    } catch (error) {
      setFailure({ tried: what, error });
    }
    setBusy(false);
  };
  const attempt = () => run("Trying it", async () => setTrial(await tried(place, text, new AbortController().signal)));
  const send = () =>
    run("Saving", async () => {
      await save(place, mode, text);
      toast("The enforcement is saved");
      again();
    });
  return (
    <Locked scope="endpoints:write" by="An editor of the project">
      <div class="enforce">
        <Segments label="Enforcement" options={MODES} value={mode} choose={setMode} />
        <p class="quiet">{SAID[mode]}</p>
        {mode !== "off" && (
          <label class="given">
            <span>JSON Schema; empty: what has been learned by now</span>
            <textarea
              rows={6}
              spellcheck={false}
              value={text}
              onInput={(event) => {
                setText(event.currentTarget.value);
                setTrial(null);
              }}
            />
          </label>
        )}
        {trial && <Verdict trial={trial} />}
        {failure && <Failure tried={failure.tried} error={failure.error} />}
        <div class="acts">
          {mode !== "off" && (
            <button type="button" class="btn" disabled={busy} onClick={() => void attempt()}>
              Try on the last documents
            </button>
          )}
          <button type="button" class="btn primary" disabled={busy || !isChanged} onClick={() => void send()}>
            Save
          </button>
        </div>
      </div>
    </Locked>
  );
}

function Verdict({ trial }: { trial: Trial }) {
  return (
    <div class="verdict" role="status">
      {trial.refused === 0 ? (
        `All of the last ${counted(trial.tried, "document")} fit.`
      ) : (
        <>
          <b>
            {trial.refused.toLocaleString()} of the last {counted(trial.tried, "document")}
          </b>{" "}
          would not fit.
        </>
      )}
      <ul class="places">
        {trial.places.slice(0, 8).map(({ path, documents, reason }) => (
          <li key={path}>
            <code>{path || "the document"}</code> <span class="quiet">in {counted(documents, "document")}:</span>{" "}
            {reason}
          </li>
        ))}
      </ul>
    </div>
  );
}
