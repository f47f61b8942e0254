import "../style/lists.css";
import "../style/panel.css";
import { useEffect, useState } from "preact/hooks";
import { get, patch, post, type Schemas } from "../api.ts";
import { percent } from "../numbers.ts";
import { Ago } from "../parts/Ago.tsx";
import { EndpointHead } from "../parts/EndpointHead.tsx";
import { Failure } from "../parts/Failure.tsx";
import { Icon } from "../parts/Icon.tsx";
import { Loading } from "../parts/Loading.tsx";
import { Segments } from "../parts/Segments.tsx";
import { Bars } from "../polls/Bars.tsx";
import { List } from "../polls/List.tsx";
import { PollPanel } from "../polls/PollPanel.tsx";
import { answered, CLASSES, type Poll, type PollClass, type Summary } from "../polls/polls.ts";
import type { PageProps } from "../routes.ts";
import { useLoad } from "../state/load.ts";
import { at, href, query, setQuery } from "../state/location.ts";
import { may } from "../state/may.ts";
import { usePages } from "../state/pages.ts";
import { toast } from "../state/toasts.ts";
import { zone } from "../state/zone.ts";
import { exactClock, longDay } from "../time/clock.ts";
import { everyText } from "../track/draft.ts";
import "../polls/polls.css";

type Polling = NonNullable<Schemas["Endpoint"]["polling"]>;

/** Polls are asked for again so often while the page is seen. */
const AGAIN_MS = 10_000;
const RANGES = { "24h": "24 h", "7d": "7 days", "90d": "All" } as const;
type Range = keyof typeof RANGES;

/** Does the source answer, and when is it asked next. */
export default function Polls({ params }: PageProps) {
  const [project, endpoint] = [params.project as string, params.endpoint as string];
  const { data, error, again } = useLoad(
    (signal) => get("/v1/endpoints/{endpoint}", { in: project, path: { endpoint }, signal }),
    [project, endpoint],
  );
  const polling = data?.endpoint.polling;
  const track = `${at("p", project, "track")}?endpoint=${encodeURIComponent(endpoint)}`;
  return (
    <main id="main" class="panel-page wrap app polls-page">
      <EndpointHead project={project} endpoint={endpoint} section="polls">
        {polling && may("endpoints:write") ? (
          <a class="btn" href={href(track)}>
            Change how
          </a>
        ) : null}
      </EndpointHead>
      {error ? <Failure tried="Loading the endpoint" error={error} retry={again} /> : null}
      {!data && !error ? <Loading /> : null}
      {data && !polling ? <NotPolled to={track} /> : null}
      {polling ? <Polled project={project} endpoint={endpoint} polling={polling} again={again} /> : null}
    </main>
  );
}

function NotPolled({ to }: { to: string }) {
  return (
    <div class="none">
      <p>This endpoint is not polled: programs send what it has.</p>
      {may("endpoints:write") ? (
        <a class="btn" href={href(to)}>
          Have Delta ask a source for it
        </a>
      ) : null}
    </div>
  );
}

interface PolledProps {
  project: string;
  endpoint: string;
  polling: Polling;
  again: () => void;
}

function Polled({ project, endpoint, polling, again }: PolledProps) {
  const asked = query.value;
  const range: Range =
    asked.get("range") !== null && (asked.get("range") as string) in RANGES ? (asked.get("range") as Range) : "24h";
  const [chosen, opened] = [asked.get("class"), asked.get("at")];
  const own = { in: project, path: { endpoint } };
  const summary = useLoad(
    async (signal) => {
      const nowMs = Date.now();
      return {
        nowMs,
        found: await get("/v1/endpoints/{endpoint}/polls/summary", { ...own, query: { from: range }, signal }),
      };
    },
    [project, endpoint, range],
  );
  const pages = usePages<Poll>(
    (cursor, signal) =>
      get("/v1/endpoints/{endpoint}/polls", {
        ...own,
        query: { limit: 200, from: range, ...(chosen ? { class: chosen } : {}), ...(cursor ? { cursor } : {}) },
        signal,
      }),
    [project, endpoint, range, chosen],
  );
  const all = () => [again(), summary.again(), pages.again()];
  const isBusy = summary.busy || pages.busy;
  useEffect(() => {
    if (isBusy) return undefined; // what is on its way is not asked for again
    const timer = setInterval(() => document.visibilityState === "visible" && all(), AGAIN_MS);
    return () => clearInterval(timer);
  }, [isBusy]);
  const shown = summary.data;
  const listed = pages.data?.find(({ id }) => id === opened) ?? null;
  const isElsewhere = opened !== null && pages.data !== undefined && listed === null;
  const alone = useLoad(
    (signal) => (isElsewhere ? pollAt(own, Number(opened), Number(opened) + 1, signal) : Promise.resolve(null)),
    [project, endpoint, opened, isElsewhere],
  );
  const poll = listed ?? (isElsewhere && alone.data?.id === opened ? alone.data : null);
  const isAwaited = opened !== null && (pages.data === undefined || (isElsewhere && alone.busy));
  return (
    <>
      <section class="time" aria-label="Polls over time">
        <Said polling={polling} summary={shown?.found} newest={pages.data?.[0]} range={range} again={all} own={own} />
        {summary.error ? <Failure tried="Loading the bars" error={summary.error} retry={summary.again} /> : null}
        {shown && shown.found.data.length > 0 ? (
          <Bars
            data={shown.found.data}
            {...spanOf(shown.found.data, shown.nowMs, range)}
            atMs={opened === null ? null : Number(opened)}
            choose={async (ms, endMs) => {
              const found = await pollAt(own, ms, endMs).catch(() => null);
              setQuery({ at: found?.id ?? String(ms) });
            }}
          />
        ) : null}
        <Classes classes={shown?.found.classes ?? {}} chosen={chosen} />
      </section>
      <div class={opened ? "split" : "split one"}>
        <section class="doc" aria-label="Polls">
          <div class="tree">
            <List pages={pages} open={opened} />
          </div>
        </section>
        {opened ? <PollPanel project={project} endpoint={endpoint} poll={poll} isAwaited={isAwaited} /> : null}
      </div>
    </>
  );
}

interface Own {
  in: string;
  path: { endpoint: string };
}

/** The newest from a time on and before another, also where the list does not reach or leaves it out; null where none is on record. */
async function pollAt(own: Own, fromMs: number, toMs: number, signal?: AbortSignal): Promise<Poll | null> {
  const [from, to] = [fromMs, toMs].map((ms) => new Date(ms));
  if (!from || !to || Number.isNaN(from.getTime()) || Number.isNaN(to.getTime())) return null;
  const query = { from: from.toISOString(), to: to.toISOString(), limit: 1 };
  const found = await get("/v1/endpoints/{endpoint}/polls", { ...own, query, signal });
  return found.data[0] ?? null;
}

const LENGTHS: Record<Range, number> = { "24h": 864e5, "7d": 7 * 864e5, "90d": 90 * 864e5 };

/** The time asked for; of all, since the first poll that is on record. */
function spanOf(data: Summary["data"], nowMs: number, range: Range): { fromMs: number; toMs: number } {
  const first = Date.parse(data[0]?.time ?? "");
  const fromMs = range === "90d" ? first : nowMs - LENGTHS[range];
  return { fromMs: Math.min(fromMs, first), toMs: Math.max(nowMs, fromMs + 60_000) };
}

interface SaidProps {
  polling: Polling;
  summary: Summary | undefined;
  newest: Poll | undefined;
  range: Range;
  again: () => void;
  own: Own;
}

function Said({ polling, summary, newest, range, again, own }: SaidProps) {
  const [busy, setBusy] = useState(false);
  const run = async (act: () => Promise<string>) => {
    if (busy) return;
    setBusy(true);
    try {
      toast(await act());
    } catch (error) {
      toast(error instanceof Error ? error.message : String(error));
    }
    setBusy(false);
    again();
  };
  const pollNow = () =>
    run(async () => {
      const { poll } = await post("/v1/endpoints/{endpoint}/poll", own);
      if (poll === null) return "It goes on: its host is asked one request at a time";
      return poll.class === null ? (poll.changed ? "It changed" : "It is unchanged") : `It failed: ${poll.detail}`;
    });
  const enable = (enabled: boolean) =>
    run(async () => {
      await patch("/v1/endpoints/{endpoint}", { ...own, body: { polling: { enabled } } as Schemas["EndpointChange"] });
      return enabled ? "It is polled again" : "It is polled no more until you resume it";
    });
  const share = summary ? answered(summary.data) : null;
  const isStopped = polling.state === "paused" || polling.state === "off";
  const newestMs = newest ? Date.parse(newest.time) : null;
  return (
    <div class="transport">
      {newestMs === null ? null : (
        <span class="moment">
          <b>{longDay(newestMs, zone.value)}</b>
          <b class="clock">{exactClock(newestMs, zone.value)}</b>
        </span>
      )}
      <p class="pos" role="status">
        <Standing polling={polling} />
        {share === null ? "" : ` · ${percent(share)} answered`}
        {polling.interval
          ? ` · every ${everyText(polling.interval)}`
          : polling.cron
            ? ` · ${polling.cron} ${polling.timezone}`
            : ""}
      </p>
      <Segments
        label="Range"
        options={RANGES}
        value={range}
        choose={(to) => setQuery({ range: to === "24h" ? null : to, at: null })}
      />
      {may("endpoints:write") ? (
        <>
          <button class="btn" type="button" onClick={() => void pollNow()} aria-disabled={busy}>
            <Icon name="again" />
            Poll now
          </button>
          <button class="btn" type="button" onClick={() => void enable(isStopped)} aria-disabled={busy}>
            <Icon name={isStopped ? "play" : "pause"} />
            {isStopped ? "Resume" : "Pause"}
          </button>
        </>
      ) : null}
    </div>
  );
}

/** How its polling stands, and what comes next. */
function Standing({ polling: { state, next_at, failing_since, waits_until } }: { polling: Polling }) {
  if (state === "paused") {
    return (
      <>
        <b>Paused</b>: it has failed for a day
        {failing_since ? (
          <>
            , since <Ago at={failing_since} />
          </>
        ) : null}
        . Resume it when the source is well again
      </>
    );
  }
  if (state === "off") return <b>Paused by hand</b>;
  const next = next_at ? <Ago at={next_at} /> : "soon";
  if (state === "waiting" && waits_until) {
    return (
      <>
        <b>Waiting</b>: the source asked to be left alone, next <Ago at={waits_until} />
      </>
    );
  }
  if (state === "backing_off") {
    return (
      <>
        <b>Failing</b>
        {failing_since ? (
          <>
            {" "}
            since <Ago at={failing_since} />
          </>
        ) : null}
        , tried again {next}
      </>
    );
  }
  return <>next {next}</>;
}

function Classes({ classes, chosen }: { classes: Readonly<Record<string, number>>; chosen: string | null }) {
  const known = Object.entries(classes);
  if (known.length === 0 && chosen === null) return null;
  const failed = known.reduce((sum, [, number]) => sum + number, 0);
  const chips: [name: string, text: string, number: number | null][] = [
    ["failed", "failed", failed],
    ["ok", "answered", null],
    ...known.map(([name, number]) => [name, CLASSES[name as PollClass] ?? name, number] as [string, string, number]),
  ];
  return (
    <fieldset class="classes" aria-label="Only those" data-filters>
      {chips.map(([name, text, number]) => (
        <button
          key={name}
          class="fchip"
          type="button"
          aria-pressed={chosen === name}
          onClick={() => setQuery({ class: chosen === name ? null : name, at: null })}
        >
          {text}
          {number === null ? null : <b>{number}</b>}
        </button>
      ))}
    </fieldset>
  );
}
