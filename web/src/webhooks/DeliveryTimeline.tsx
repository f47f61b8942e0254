// biome-ignore-all lint/a11y/noSvgWithoutTitle: within a drawing that is hidden from screen readers; the slider says it
import { useMemo, useRef } from "preact/hooks";
import { get, type Schemas } from "../api.ts";
import { count, counted } from "../numbers.ts";
import { Failure } from "../parts/Failure.tsx";
import { Icon } from "../parts/Icon.tsx";
import { Segments } from "../parts/Segments.tsx";
import { useLoad } from "../state/load.ts";
import { query, setQuery } from "../state/location.ts";
import { zone } from "../state/zone.ts";
import { fraction, type Span, ticks } from "../time/bars.ts";
import { clock, moment, shortDay, zoneName } from "../time/clock.ts";
import { TickLine } from "../time/TimelineBars.tsx";
import { type Counts, deliveryBars, LINE, nextSent, stretchOf, sum } from "./bars.ts";

const RANGES = { "24h": "24 h", "3d": "3 d", "7d": "7 d" } as const;
type Range = keyof typeof RANGES;
const HOURS: Record<Range, number> = { "24h": 24, "3d": 72, "7d": 168 };
const SAID: Record<Range, string> = { "24h": "in 24 h", "3d": "in 3 days", "7d": "in 7 days" };

/** Deliveries by the hour; the hour that is chosen, `at` in the address, leads the list below to it. */
export function DeliveryTimeline({ project, hook, turn }: { project: string; hook: string | null; turn: number }) {
  const asked = query.value.get("range");
  const range: Range = asked !== null && asked in RANGES ? (asked as Range) : "7d";
  const { data, error, again } = useLoad(
    (signal) =>
      get("/v1/webhooks/timeline", { in: project, query: { webhook: hook ?? undefined, hours: HOURS[range] }, signal }),
    [project, hook, range, turn],
  );
  return (
    <section class="time" aria-label="Deliveries over time">
      {error ? <Failure tried="Counting deliveries" error={error} retry={again} /> : null}
      {data ? <Line timeline={data} range={range} /> : error ? null : <div class="time-blank" />}
    </section>
  );
}

function Line({ timeline, range }: { timeline: Schemas["DeliveryTimeline"]; range: Range }) {
  const { bucket_ms: bucketMs } = timeline;
  const counts = useMemo(() => timeline.data.map(({ arrived, failed }) => [arrived, failed]), [timeline]);
  const fromMs = Date.parse(timeline.from);
  const span = { fromMs, toMs: fromMs + counts.length * bucketMs };
  const asked = Date.parse(query.value.get("at") ?? "");
  const chosen = Number.isNaN(asked) ? null : stretchOf(asked, span, counts.length);
  const choose = (at: number | null, replace = false) =>
    setQuery({ at: at === null ? null : new Date(fromMs + at * bucketMs).toISOString(), d: null }, { replace });
  const steps = [
    ["Before", "left", nextSent(counts, chosen ?? counts.length, -1)],
    ["Next", "right", chosen === null ? null : nextSent(counts, chosen, 1)],
  ] as const;
  const shown = chosen === null ? sum(counts) : sum([counts[chosen] ?? []]);
  return (
    <>
      <div class="transport">
        <div class="steps">
          {steps.map(([name, icon, to]) => (
            <button
              key={name}
              class="icon"
              type="button"
              aria-label={name}
              disabled={to === null}
              onClick={() => choose(to)}
            >
              <Icon name={icon} />
            </button>
          ))}
        </div>
        {chosen === null ? (
          <span class="moment">
            <b>Latest</b>
          </span>
        ) : (
          <Moment ms={fromMs + chosen * bucketMs} close={() => choose(null)} />
        )}
        <p class="pos">
          <b>{count(shown.arrived)}</b> arrived, <b>{counted(shown.failed, "attempt")}</b> failed
          <span> {chosen === null ? SAID[range] : "in that hour"}</span>
        </p>
        <Segments
          label="Range"
          options={RANGES}
          value={range}
          choose={(to) => setQuery({ range: to === "7d" ? null : to })}
        />
      </div>
      <Slider counts={counts} span={span} chosen={chosen} choose={choose} />
    </>
  );
}

function Moment({ ms, close }: { ms: number; close: () => void }) {
  return (
    <button class="moment" type="button" onClick={close} aria-label={`${moment(ms, zone.value)}: back to the latest`}>
      <b>{shortDay(ms, zone.value)}</b>
      <b>{clock(ms, zone.value)}</b>
      <span>{zoneName(ms, zone.value)}</span>
      <Icon name="close" />
    </button>
  );
}

interface SliderProps {
  counts: Counts;
  span: Span;
  chosen: number | null;
  choose: (at: number | null, replace?: boolean) => void;
}

function Slider({ counts, span, chosen, choose }: SliderProps) {
  const box = useRef<SVGSVGElement>(null);
  const last = counts.length - 1;
  const hourMs = (span.toMs - span.fromMs) / counts.length;
  const hourAt = (event: PointerEvent) => {
    const { left = 0, width = 1 } = box.current?.getBoundingClientRect() ?? {};
    const part = Math.min(1, Math.max(0, (event.clientX - left) / Math.max(1, width)));
    return Math.min(last, Math.floor(part * counts.length));
  };
  const drag = (event: PointerEvent) => {
    if (!(event.currentTarget as Element).hasPointerCapture(event.pointerId)) return;
    if (hourAt(event) !== chosen) choose(hourAt(event), true);
  };
  const press = (event: PointerEvent) => {
    if (event.button !== 0) return;
    (event.currentTarget as Element).setPointerCapture(event.pointerId);
    choose(hourAt(event));
  };
  const key = (event: KeyboardEvent) => {
    const by = event.shiftKey ? 24 : 1;
    const here = chosen ?? last + 1;
    const steps: Record<string, number> = { ArrowLeft: here - by, ArrowRight: here + by, Home: 0, End: last };
    const to = steps[event.key];
    if (event.key === "Escape" && chosen !== null) choose(null);
    else if (to !== undefined) choose(Math.min(last, Math.max(0, to)));
    else return;
    event.preventDefault();
  };
  const drawn = useMemo(
    () => (
      <>
        {ticks(span, zone.value).map((tick) => (
          <TickLine key={tick.ms} tick={tick} span={span} zone={zone.value} />
        ))}
        <Bars counts={counts} />
        <line class="base" x1="0" x2="100%" y1={LINE} y2={LINE} />
      </>
    ),
    [counts, span.fromMs, zone.value],
  );
  const [arrived = 0, failed = 0] = counts[chosen ?? last] ?? [];
  const at = span.fromMs + (chosen ?? last) * hourMs;
  return (
    <div
      class="slider"
      role="slider"
      tabIndex={0}
      aria-label="Hour whose deliveries are listed"
      aria-valuemin={0}
      aria-valuemax={last}
      aria-valuenow={chosen ?? last}
      aria-valuetext={
        chosen === null
          ? "the latest"
          : `${moment(at, zone.value)}: ${count(arrived)} arrived, ${counted(failed, "attempt")} failed`
      }
      onPointerDown={press}
      onPointerMove={drag}
      onKeyDown={key}
    >
      <svg ref={box} class="tl" width="100%" height="96" overflow="visible" aria-hidden="true">
        {drawn}
        {chosen === null ? null : (
          <svg class="needle" x={`${fraction(span, at + hourMs / 2) * 100}%`} y="0" overflow="visible">
            <line x1="0" x2="0" y1="-4" y2="76" />
            <path d="M-6-12h12v7l-6 7-6-7z" />
          </svg>
        )}
      </svg>
    </div>
  );
}

function Bars({ counts }: { counts: Counts }) {
  const width = 100 / counts.length;
  return (
    <>
      {deliveryBars(counts).map(({ at, up, down }) => (
        <g key={at}>
          {up > 0 ? <rect x={`${at * width}%`} width={`${width * 0.8}%`} y={LINE - 1 - up} height={up} /> : null}
          {down > 0 ? (
            <rect class="bad" x={`${at * width}%`} width={`${width * 0.8}%`} y={LINE + 1} height={down} />
          ) : null}
        </g>
      ))}
    </>
  );
}
