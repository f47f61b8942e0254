import { useRef, useState } from "preact/hooks";
import { bytes } from "../numbers.ts";
import { Failure } from "../parts/Failure.tsx";
import { Loading } from "../parts/Loading.tsx";
import { address, href, query, withQuery } from "../state/location.ts";
import type { Pages } from "../state/pages.ts";
import { zone } from "../state/zone.ts";
import { exactClock, longDay } from "../time/clock.ts";
import { moveBetweenRows, useWayToRows } from "../versions/rows.ts";
import { took } from "../webhooks/words.ts";
import { CLASSES, folded, outcome, type Poll, setBy } from "./polls.ts";

/** The polls, the newest first; those in a row that found nothing new are one line. */
export function List({ pages, open }: { pages: Pages<Poll>; open: string | null }) {
  const [unfolded, setUnfolded] = useState<ReadonlySet<string>>(new Set());
  const body = useRef<HTMLTableSectionElement>(null);
  useWayToRows(body);
  const isFiltered = query.value.has("class") || query.value.has("range");
  if (pages.error) return <Failure tried="Listing polls" error={pages.error} retry={pages.again} />;
  if (!pages.data) return <Loading label="Loading polls" />;
  if (pages.data.length === 0) {
    return <p class="none">{isFiltered ? "No poll is like that." : "It was not polled yet: the first one is due."}</p>;
  }
  const lines = query.value.has("class")
    ? pages.data.map((poll) => ({ fold: false as const, poll }))
    : folded(pages.data, unfolded);
  let day = "";
  return (
    <>
      <table class="tb pollist">
        <thead>
          <tr>
            <th scope="col">
              <span class="sr">State</span>
            </th>
            <th scope="col">Began</th>
            <th scope="col">Status</th>
            <th scope="col">What came of it</th>
            <th scope="col" class="n">
              Size
            </th>
            <th scope="col" class="n">
              Took
            </th>
          </tr>
        </thead>
        <tbody ref={body} onKeyDown={(event) => moveBetweenRows(event, body.current)}>
          {lines.flatMap((line) => {
            const first = line.fold ? (line.polls[0] as Poll) : line.poll;
            const own = longDay(Date.parse(first.time), zone.value);
            const head = own === day ? [] : [<Day key={own} name={own} />];
            day = own;
            return [
              ...head,
              line.fold ? (
                <Fold key={first.id} polls={line.polls} unfold={() => setUnfolded(new Set([...unfolded, first.id]))} />
              ) : (
                <Row key={first.id} poll={first} isOpen={first.id === open} />
              ),
            ];
          })}
        </tbody>
      </table>
      {pages.more ? (
        <button class="btn ghost more" type="button" onClick={pages.next} aria-disabled={pages.busy}>
          Show more
        </button>
      ) : null}
    </>
  );
}

function Day({ name }: { name: string }) {
  return (
    <tr class="dayr">
      <th colSpan={6} scope="rowgroup">
        {name}
      </th>
    </tr>
  );
}

function Row({ poll, isOpen }: { poll: Poll; isOpen: boolean }) {
  const { shape, text } = outcome(poll);
  return (
    <tr data-row tabIndex={-1} aria-current={isOpen ? "true" : undefined}>
      <td class="stc">
        <span class={`st ${shape}`} role="img" aria-label={poll.class === null ? text : "failed"} />
      </td>
      <td>
        <a data-open href={href(withQuery(address.value, { at: poll.id }))}>
          <time dateTime={poll.time}>{exactClock(Date.parse(poll.time), zone.value)}</time>
        </a>
      </td>
      <td>{poll.status ?? "–"}</td>
      <td class="what">
        {poll.changed ? <b>{text}</b> : text}
        {poll.note === null ? null : <small> · perhaps not whole</small>}
        {poll.clock_set_ms === null ? null : <small> · the clock was set {setBy(poll.clock_set_ms)}</small>}
      </td>
      <td class="n">{poll.bytes > 0 ? bytes(poll.bytes) : ""}</td>
      <td class="n">{took(poll.ms)}</td>
    </tr>
  );
}

function Fold({ polls, unfold }: { polls: readonly Poll[]; unfold: () => void }) {
  const failure = polls[0]?.class ?? null;
  const clock = (poll: Poll | undefined) => (poll ? exactClock(Date.parse(poll.time), zone.value) : "");
  return (
    <tr class="fold-r">
      <td class="stc">
        <span class={failure === null ? "st" : "st failed"} aria-hidden="true" />
      </td>
      <td colSpan={5}>
        <button type="button" class="btn ghost" onClick={unfold}>
          {polls.length} {failure === null ? "unchanged" : `failed, ${CLASSES[failure]}`}, {clock(polls.at(-1))} to{" "}
          {clock(polls[0])}
        </button>
      </td>
    </tr>
  );
}
