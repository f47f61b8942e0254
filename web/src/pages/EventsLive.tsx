import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import { askEvents } from "../explore/asking.ts";
import { Conditions } from "../explore/Conditions.tsx";
import { EventList } from "../explore/EventList.tsx";
import { EventsHead } from "../explore/EventsHead.tsx";
import { HowToSend } from "../explore/HowToSend.tsx";
import { joined, meetsAll, wordsOf } from "../explore/meets.ts";
import { readQuestion } from "../explore/question.ts";
import { type EventJson, fieldsOf } from "../explore/rows.ts";
import { count, counted } from "../numbers.ts";
import { Failure } from "../parts/Failure.tsx";
import { Icon } from "../parts/Icon.tsx";
import { Loading } from "../parts/Loading.tsx";
import type { PageProps } from "../routes.ts";
import { useLoad } from "../state/load.ts";
import { query, setQuery } from "../state/location.ts";
import { type Told, useStream } from "../state/stream.ts";
import { zone } from "../state/zone.ts";
import { moveBetweenRows, useWayToRows } from "../versions/rows.ts";
import "../explore/explore.css";

/** So many are kept on the page, and fetched to begin with. */
const MOST = 500;
const FIRST = 100;
/** What comes within so long is shown at once. */
const TOGETHER_MS = 250;
/** So long the newest events wait for the stream, which may not come through. */
const LATEST_MS = 2000;

/** Events as they come in, those that meet the conditions in the address. */
export default function EventsLive({ params }: PageProps) {
  const project = params.project as string;
  const asked = query.value.toString();
  const question = useMemo(() => readQuestion(new URLSearchParams(asked), zone.value, Date.now()), [asked, zone.value]);
  const words = wordsOf(query.value.get("q") ?? "");
  const stream = useBegin(project);
  const first = useLoad(
    async (signal) => {
      await stream.begun;
      return askEvents(project, question, { limit: FIRST }, signal);
    },
    [project, asked],
  );
  const { news, waiting, isPaused, pause, seen, lost } = useNews(project, () => stream.begin() && first.again());
  const shown = useMemo(
    () => joined(news, first.data?.data ?? [], MOST).filter((event) => meetsAll(event, question.where, words)),
    [news, first.data, asked],
  );
  const section = useRef<HTMLElement>(null);
  useWayToRows(section);
  return (
    <main id="main" class="wrap app explore-page live-page">
      <EventsHead project={project}>
        <button class="btn" type="button" aria-pressed={isPaused} onClick={() => pause(!isPaused)}>
          <Icon name={isPaused ? "play" : "pause"} />
          {isPaused ? `Go on${waiting > 0 ? ` (${count(waiting)} new)` : ""}` : "Pause"}
        </button>
      </EventsHead>
      {/* biome-ignore lint/a11y/useSemanticElements: a fieldset does not scroll sideways */}
      <div class="fields ask-q" role="group" aria-label="Which events">
        <label class="filter wide">
          <Icon name="search" />
          <input
            type="search"
            placeholder="Words in events"
            data-search
            aria-label="Words in events"
            value={query.value.get("q") ?? ""}
            onInput={(event) => setQuery({ q: event.currentTarget.value }, { replace: true })}
          />
        </label>
        <span class="word">where</span>
        <Conditions found={fieldsOf(shown.slice(0, FIRST))} />
      </div>
      <section
        class="doc"
        aria-label="Events"
        ref={section}
        onKeyDown={(event) => moveBetweenRows(event, section.current)}
      >
        <div class="bar">
          <h2>{counted(shown.length, "event")}</h2>
          <span class="quiet">
            {isPaused
              ? "paused"
              : seen === 0
                ? "the next shows here at once"
                : `${count(seen)} since this page was opened`}
            {lost ? "; more came at once than can be shown" : ""}
          </span>
        </div>
        {first.error ? <Failure tried="Loading the newest events" error={first.error} retry={first.again} /> : null}
        {!first.data && !first.error ? <Loading /> : null}
        <EventList project={project} events={shown} zone={question.zone} />
        {first.data && shown.length === 0 ? (
          <div class="said">
            {question.where.length > 0 || words.length > 0 ? (
              "None of the newest events meets all of that. What comes and does shows here."
            ) : (
              <>
                <p>No event yet. What comes shows here at once.</p>
                <HowToSend project={project} />
              </>
            )}
          </div>
        ) : null}
      </section>
    </main>
  );
}

/** The newest events are asked for once the stream has begun: one that comes in between is in either. `begin` says
 * whether it came too late for that. */
function useBegin(project: string) {
  return useMemo(() => {
    let isLate = false;
    let go: () => void = () => undefined;
    const begun = new Promise<void>((resolve) => {
      const timer = setTimeout(() => {
        isLate = true;
        resolve();
      }, LATEST_MS);
      go = () => {
        clearTimeout(timer);
        resolve();
      };
    });
    const begin = () => {
      const wasLate = isLate;
      isLate = false;
      go();
      return wasLate;
    };
    return { begun, begin };
  }, [project]);
}

/** What the stream brought since the page was opened, the newest first. */
function useNews(project: string, begun: () => void) {
  const [news, setNews] = useState<readonly EventJson[]>([]);
  const [isPaused, setPaused] = useState(false);
  const [waiting, setWaiting] = useState(0);
  const [seen, setSeen] = useState(0);
  const [lost, setLost] = useState(false);
  const held = useRef<EventJson[]>([]);
  const paused = useRef(false);
  const show = () => {
    const came = held.current;
    if (came.length === 0) return;
    held.current = [];
    setNews((before) => joined([...came].reverse(), before, MOST));
    setSeen((before) => before + came.length);
    setWaiting(0);
  };
  useEffect(() => {
    const every = setInterval(() => (paused.current ? setWaiting(held.current.length) : show()), TOGETHER_MS);
    return () => clearInterval(every);
  }, []);
  useEffect(() => {
    held.current = [];
    setNews([]);
    setSeen(0);
  }, [project]);
  const hear = ({ event, data }: Told) => {
    if (event === "gap") setLost(true);
    if (event !== "event") return;
    held.current.push(data as EventJson);
    if (held.current.length > MOST) held.current.shift();
  };
  useStream(project, ["events"], hear, { begun });
  const pause = (on: boolean) => {
    paused.current = on;
    setPaused(on);
    if (!on) show();
  };
  return { news, waiting, isPaused, pause, seen, lost };
}
