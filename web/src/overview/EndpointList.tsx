import { useEffect, useRef } from "preact/hooks";
import type { Schemas } from "../api.ts";
import { lastLooked } from "../compare/looked.ts";
import { Chips } from "../document/Chips.tsx";
import { bytes, count as counted } from "../numbers.ts";
import { Ago } from "../parts/Ago.tsx";
import { failing } from "../state/failing.ts";
import { at, go, href } from "../state/location.ts";
import { roughly } from "../time/clock.ts";
import { type Listed, usualMs } from "./list.ts";
import { Spark } from "./Spark.tsx";
import { WIDTH } from "./spark.ts";
import { useRows } from "./useRows.ts";

interface ListProps {
  project: string;
  endpoints: readonly Listed[];
  /** How many there are, with those behind `endpoints` that are not fetched yet. */
  count: number;
  /** The rest is to be fetched. */
  onMore: () => void;
  nowMs: number;
  /** What the small bars show. */
  spark: { fromMs: number; toMs: number; over: string };
}

/** The table of endpoints; of a long one only the rows that are in view are there. */
export function EndpointList(props: ListProps) {
  const { endpoints, count, onMore } = props;
  const body = useRef<HTMLTableSectionElement>(null);
  const rows = useRows(body, count);
  const drawn = endpoints.slice(rows.first, rows.end);
  const missing = rows.end - rows.first - drawn.length;
  useEffect(() => {
    if (missing > 0) onMore();
  }, [missing > 0]);
  return (
    <table aria-rowcount={count + 1} aria-busy={missing > 0}>
      <thead>
        <tr>
          <th scope="col">Endpoint</th>
          <th scope="col">Last change</th>
          <th scope="col">Activity, {props.spark.over}</th>
          <th scope="col" class="n">
            Versions
          </th>
          <th scope="col" class="n">
            Document
          </th>
          <th scope="col">Kept</th>
        </tr>
      </thead>
      <tbody ref={body}>
        <Room pixels={rows.before} />
        {drawn.map((one, i) => (
          <EndpointRow key={one.id} {...props} one={one} index={rows.first + i + 2} />
        ))}
        <Room pixels={rows.after + missing * rows.row} />
      </tbody>
    </table>
  );
}

/** Stands for the rows that are not there; its height goes through CSSOM, since the page allows no inline style. */
function Room({ pixels }: { pixels: number }) {
  if (pixels <= 0) return null;
  return (
    // biome-ignore lint/a11y/noAriaHiddenOnFocusable: nothing in it takes the focus
    <tr class="room" aria-hidden="true">
      <td
        colSpan={6}
        ref={(cell) => {
          if (cell) cell.style.height = `${pixels}px`;
        }}
      />
    </tr>
  );
}

function EndpointRow({ project, one, nowMs, spark, index }: ListProps & { one: Listed; index: number }) {
  const base = at("p", project, "e", one.name);
  return (
    <tr aria-rowindex={index} data-row>
      <th scope="row">
        <a href={href(base)} data-open>
          {one.name}
        </a>
        {one.description ? <small>{one.description}</small> : null}
      </th>
      <td class="when">
        <LastChange one={one} base={base} nowMs={nowMs} />
        <Unseen project={project} one={one} base={base} />
      </td>
      <td class="act">
        <SparkLink one={one} base={base} spark={spark} />
      </td>
      <td class="n">
        {counted(one.versions)}
        <small>{counted(one.changes)} changed</small>
      </td>
      <td class="n">{one.documentBytes === null ? "" : bytes(one.documentBytes)}</td>
      <td class="kept">
        <Kept one={one} />
      </td>
    </tr>
  );
}

function LastChange({ one, base, nowMs }: { one: Listed; base: string; nowMs: number }) {
  const failed = failing.value.get(one.id);
  if (one.lastMs === null) {
    return failed ? <Failing base={base} failed={failed} /> : <span class="quiet">nothing yet</span>;
  }
  const usual = usualMs(one, nowMs);
  const delta = one.lastDelta;
  return (
    <>
      <Ago at={new Date(one.lastChangeMs ?? one.lastMs).toISOString()} />
      {delta && usual === null ? (
        <a class="chips" href={href(`${base}/compare?a=${delta.fromId}&b=${delta.toId}`)} title="What changed last">
          <Chips counts={{ ...delta, changed: delta.replaced }} words={false} />
        </a>
      ) : null}
      {failed ? (
        <small>
          <Failing base={base} failed={failed} />
        </small>
      ) : usual === null ? null : (
        <small>quiet{usual < 1000 ? "" : `, usually every ${roughly(usual)}`}</small>
      )}
    </>
  );
}

/** Its source does not answer: that comes before how quiet it is. */
function Failing({ base, failed }: { base: string; failed: Schemas["FailingEndpoint"] }) {
  return <a href={href(`${base}/polls`)}>{failed.state === "paused" ? "polls are paused" : "its source fails"}</a>;
}

/** What changed since this browser was at the endpoint last. */
function Unseen({ project, one, base }: { project: string; one: Listed; base: string }) {
  const since = lastLooked(project, one.name);
  if (since === null || one.lastChangeMs === null || one.lastChangeMs <= Date.parse(since)) return null;
  return (
    <a class="unseen" href={href(`${base}/compare?${new URLSearchParams({ a: since })}`)}>
      since I last looked
    </a>
  );
}

function SparkLink({ one, base, spark }: { one: Listed; base: string; spark: ListProps["spark"] }) {
  const follow = (event: MouseEvent) => {
    if (event.metaKey || event.ctrlKey || event.shiftKey || event.altKey || event.detail === 0) return;
    event.preventDefault();
    const { left } = (event.currentTarget as Element).getBoundingClientRect();
    const part = Math.min(1, Math.max(0, (event.clientX - left) / WIDTH));
    const ms = spark.fromMs + part * (spark.toMs - spark.fromMs);
    go(`${base}?at=${new Date(ms).toISOString()}`);
  };
  return (
    <a href={href(base)} tabIndex={-1} title="Opens the document as of that time" onClick={follow}>
      <Spark buckets={one.spark} over={spark.over} />
    </a>
  );
}

function Kept({ one }: { one: Listed }) {
  const share = one.rawBytes > 0 ? Math.min(100, (one.storedBytes / one.rawBytes) * 100) : 0;
  return (
    <>
      <svg class="ratio" viewBox="0 0 100 4" preserveAspectRatio="none" aria-hidden="true">
        <rect class="all" width="100" height="4" />
        <rect class="part" width={one.rawBytes > 0 ? Math.max(0.8, share) : 0} height="4" />
      </svg>
      <span>
        {bytes(one.storedBytes)}
        <small> of {bytes(one.rawBytes)}</small>
      </span>
    </>
  );
}
