import { bytes } from "../numbers.ts";
import { Icon } from "../parts/Icon.tsx";
import { Loading } from "../parts/Loading.tsx";
import { at, href, setQuery } from "../state/location.ts";
import { zone } from "../state/zone.ts";
import { exactClock, longDay, zoneName } from "../time/clock.ts";
import { took } from "../webhooks/words.ts";
import { outcome, type Poll, setBy } from "./polls.ts";

const STEPS: Record<string, string> = {
  resolve: "Looking the host up",
  connect: "Connecting",
  wait: "Waiting for the answer",
  read: "Reading it",
  parse: "Making the document",
  store: "Storing it",
};

interface PollPanelProps {
  project: string;
  endpoint: string;
  poll: Poll | null;
  /** It is asked for still. */
  isAwaited: boolean;
}

/** One poll: what it found or why not, and what took how long. */
export function PollPanel({ project, endpoint, poll, isAwaited }: PollPanelProps) {
  return (
    <section class="step" aria-label="The poll">
      <div class="bar">
        <h2>The poll</h2>
        <span class="grow" />
        <button class="icon" type="button" aria-label="Close" onClick={() => setQuery({ at: null })}>
          <Icon name="close" />
        </button>
      </div>
      {poll ? (
        <Told project={project} endpoint={endpoint} poll={poll} />
      ) : isAwaited ? (
        <Loading label="Loading the poll" />
      ) : (
        <p class="none">It is not on record, or no longer.</p>
      )}
    </section>
  );
}

function Told({ project, endpoint, poll }: { project: string; endpoint: string; poll: Poll }) {
  const ms = Date.parse(poll.time);
  const { text } = outcome(poll);
  const most = Math.max(1, ...poll.steps.map((step) => step.ms));
  return (
    <div class="sum">
      <p class="told">
        <b>{poll.class === null ? text : "failed"}</b>
        <span class="quiet">
          {longDay(ms, zone.value)} {exactClock(ms, zone.value)} {zoneName(ms, zone.value)}
        </span>
      </p>
      {poll.class === null ? null : (
        <p class="told">
          {text}: {poll.detail}
        </p>
      )}
      {poll.note === null ? null : (
        <p class="told">
          <b>Perhaps not whole</b>: {poll.note}.
        </p>
      )}
      {poll.clock_set_ms === null ? null : (
        <p class="told">
          <b>The clock was set {setBy(poll.clock_set_ms)}</b> since the poll before: times from then are by the old one.
        </p>
      )}
      {poll.snapshot_id === null ? null : (
        <p class="told">
          <a class="btn" href={href(`${at("p", project, "e", endpoint)}?at=${encodeURIComponent(poll.snapshot_id)}`)}>
            Open the version
          </a>
        </p>
      )}
      <div class="part-h">
        <h3>{poll.status === null ? "No answer" : `Status ${poll.status}`}</h3>
        <span class="quiet">
          {poll.bytes > 0 ? `${bytes(poll.bytes)}, ` : ""}
          {took(poll.ms)} in all
        </span>
      </div>
      <ul class="poll-steps">
        {poll.steps.map(({ step, ms: own }) => (
          <li key={step}>
            <span>{STEPS[step] ?? step}</span>
            <svg width="100%" height="6" aria-hidden="true">
              <rect width={`${(own / most) * 100}%`} height="6" />
            </svg>
            <span class="n">{took(Math.round(own))}</span>
          </li>
        ))}
      </ul>
      {poll.excerpt === null ? null : (
        <>
          <div class="part-h">
            <h3>What came, its begin</h3>
          </div>
          {/* biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls is reached by keys */}
          <pre class="code" tabIndex={0}>
            {poll.excerpt}
          </pre>
        </>
      )}
    </div>
  );
}
