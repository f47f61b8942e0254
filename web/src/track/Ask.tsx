import { useEffect, useRef, useState } from "preact/hooks";
import { bytes, counted } from "../numbers.ts";
import { Icon } from "../parts/Icon.tsx";
import { Segments } from "../parts/Segments.tsx";
import { zone } from "../state/zone.ts";
import { exactClock, longDay, zoneName } from "../time/clock.ts";
import { type Draft, type Polling, pasted, type Source } from "./draft.ts";
import { SignIn } from "./SignIn.tsx";
import type { Trial } from "./useTrial.ts";

interface AskProps {
  draft: Draft;
  trial: Trial;
  shown: "source" | "kept";
  show: (shown: "source" | "kept") => void;
  change: (source: Partial<Source>) => void;
  /** Changed as given, and asked. */
  ask: (source?: Partial<Source>) => void;
  /** Whether the sign-in is open. */
  signing: boolean;
  sign: (open: boolean) => void;
}

const METHODS: readonly Polling["method"][] = ["GET", "POST", "PUT", "PATCH"];
const VIEWS = { source: "Source", kept: "What is kept" } as const;

/** The address, how it is asked, and what it said. */
export function Ask({ draft, trial, shown, show, change, ask, signing, sign }: AskProps) {
  const input = useRef<HTMLInputElement>(null);
  useEffect(() => input.current?.focus(), []);
  const { source } = draft;
  const take = (text: string) => {
    const { url, auth } = pasted(text);
    return auth ? { url, auth } : { url };
  };
  const paste = (event: ClipboardEvent) => {
    const box = event.currentTarget as HTMLInputElement;
    const isWhole = box.value === "" || (box.selectionStart === 0 && box.selectionEnd === box.value.length);
    const text = event.clipboardData?.getData("text") ?? "";
    if (!isWhole || text.trim() === "") return;
    event.preventDefault();
    ask(take(text));
  };
  const submit = (event: Event) => {
    event.preventDefault();
    ask(take(source.url));
  };
  const hasMore = source.headers.length > 0 || source.auth !== null || source.body !== "";
  return (
    <section class="time ask" aria-label="Source">
      <form class="addr" onSubmit={submit}>
        <select
          aria-label="Method"
          value={source.method}
          onChange={(event) => change({ method: event.currentTarget.value as Polling["method"] })}
        >
          {METHODS.map((method) => (
            <option key={method}>{method}</option>
          ))}
        </select>
        <label class="filter">
          <span class="sr">Address</span>
          <input
            ref={input}
            type="url"
            inputMode="url"
            placeholder="Paste the address of any API, feed or file"
            autocomplete="off"
            spellcheck={false}
            maxLength={4000}
            value={source.url}
            onInput={(event) => change({ url: event.currentTarget.value })}
            onPaste={paste}
          />
        </label>
        <button class="btn" type="button" onClick={() => sign(true)}>
          <Icon name="key" />
          Headers and sign-in{hasMore ? " ·" : ""}
        </button>
        <button class="btn" type="submit" aria-disabled={trial.state === "trying"}>
          <Icon name="again" />
          {trial.state === "none" ? "Try" : "Try again"}
        </button>
      </form>
      <div class="transport">
        <Said trial={trial} />
        {trial.state === "tried" ? <Segments label="View" options={VIEWS} value={shown} choose={show} /> : null}
      </div>
      {signing ? (
        <SignIn
          source={source}
          close={() => sign(false)}
          save={(changed) => {
            sign(false);
            ask(changed);
          }}
        />
      ) : null}
    </section>
  );
}

function Said({ trial }: { trial: Trial }) {
  if (trial.state === "none") {
    return <p class="pos">It is asked twice, a second apart, and nothing is stored until you say so.</p>;
  }
  if (trial.state === "trying") return <Trying />;
  if (trial.state === "refused") return null;
  const { atMs } = trial;
  return (
    <>
      <span class="moment">
        <b>{longDay(atMs, zone.value)}</b>
        <b class="clock">{exactClock(atMs, zone.value)}</b>
        <span>{zoneName(atMs, zone.value)}</span>
      </span>
      <p class="pos" role="status">
        {trial.state === "tried" ? <Answer told={trial.told} /> : <b>{trial.failed.status ?? "No answer"}</b>}
      </p>
    </>
  );
}

const STEPS = ["Looking the host up and connecting", "Waiting for the answer", "Asking once more, to see what differs"];

/** What is probably being done: a slow source is seen to be one. */
function Trying() {
  const [step, setStep] = useState(0);
  useEffect(() => {
    const timers = [400, 1200].map((ms, i) => setTimeout(() => setStep(i + 1), ms));
    return () => timers.forEach(clearTimeout);
  }, []);
  return (
    <p class="pos" role="status">
      {STEPS[step]} …
    </p>
  );
}

type Told = Extract<Trial, { state: "tried" }>["told"];

function Answer({ told }: { told: Told }) {
  const ms = told.steps.reduce((sum, step) => sum + step.ms, 0);
  const type = told.content_type.split(";")[0];
  return (
    <>
      <b>{told.status}</b> {type} · {bytes(told.bytes)}
      {ms > 0 ? ` · ${(ms / 1000).toFixed(ms < 100 ? 2 : 1)} s` : ""}
      {told.pages > 1 ? ` · ${counted(told.pages, "page")}` : ""}
      <span>
        {told.read_as === "json" ? "" : ` · ${readAs(told)}`}
        {told.conditional === "none"
          ? ""
          : ` · sends ${told.conditional === "etag" ? "an ETag" : "when it was modified"}, so an unchanged source costs one short answer`}
      </span>
    </>
  );
}

const FORMATS: Record<string, string> = {
  ndjson: "NDJSON",
  csv: "CSV",
  yaml: "YAML",
  toml: "TOML",
  xml: "XML",
  feed: "a feed",
  icalendar: "a calendar",
  text: "text",
};

function readAs({ read_as, source }: Told): string {
  const as = Array.isArray(source) ? `a list of ${source.length.toLocaleString()}` : "JSON";
  return `${FORMATS[read_as] ?? read_as}, read as ${as}`;
}
