import { useRef, useState } from "preact/hooks";
import { Failure } from "../parts/Failure.tsx";
import { Segments } from "../parts/Segments.tsx";
import type { Bar, Span } from "../time/bars.ts";
import { fraction } from "../time/bars.ts";
import { clock, shortDay } from "../time/clock.ts";
import { TimelineBars } from "../time/TimelineBars.tsx";
import { bucketAt, dragged, type Grid, RANGES, type Range, title } from "./pulse.ts";

export interface PulseProps {
  grid: Grid;
  bars: readonly Bar[];
  /** Nothing changed in the whole stretch. */
  isQuiet: boolean;
  error: unknown;
  retry: () => void;
  zone: string;
  /** The range's name in the address, null where a stretch was dragged. */
  range: Range | null;
  /** The bucket whose changes Lately shows. */
  chosen: Span | null;
  onRange: (range: Range) => void;
  onZoom: (span: Span) => void;
  onChoose: (span: Span | null) => void;
}

const DRAG = 6;

/** All changes of the project over time. A click shows a bucket's changes beside the list, a drag zooms. */
export function Pulse(props: PulseProps) {
  const { grid, bars, zone } = props;
  const [hovered, setHovered] = useState<Span | null>(null);
  const told = hovered ?? props.chosen;
  return (
    <section class="time pulse" aria-label="All changes of the project">
      <div class="bar">
        <h2>{title(grid)}</h2>
        {told ? <Reading bar={barIn(bars, told)} span={told} zone={zone} /> : <Legend />}
        <Segments label="Range" options={RANGES} value={props.range} choose={props.onRange} />
      </div>
      {props.isQuiet ? <Quiet {...props} /> : null}
      {props.error ? (
        <Failure tried="Counting the changes" error={props.error} retry={props.retry} />
      ) : (
        <Line {...props} hovered={hovered} onHover={setHovered} />
      )}
    </section>
  );
}

/** An empty line tells little: what it means, and where the changes are. */
function Quiet({ range, onRange }: PulseProps) {
  return (
    <p class="quiet still">
      Nothing changed in this stretch.{" "}
      {range === "all" ? null : (
        <button class="btn ghost" type="button" onClick={() => onRange("all")}>
          Show all of the past
        </button>
      )}
    </p>
  );
}

function Legend() {
  return (
    <span class="keys">
      <span class="kk added">
        <i aria-hidden="true">+</i>added
      </span>
      <span class="kk removed">
        <i aria-hidden="true">−</i>removed
      </span>
      <span class="kk changed">
        <i aria-hidden="true">~</i>changed
      </span>
      <span class="kk moved">
        <i aria-hidden="true">↕</i>moved
      </span>
    </span>
  );
}

function Reading({ bar, span, zone }: { bar: Bar | undefined; span: Span; zone: string }) {
  return (
    <span class="keys reading">
      <span class="kk">{spanWords(span, zone)}</span>
      {COUNTS.map(([kind, glyph, count]) => (
        <span key={kind} class={`kk ${kind}`}>
          <i aria-hidden="true">{glyph}</i>
          {(bar ? count(bar) : 0).toLocaleString()}
          <span class="sr"> {kind}</span>
        </span>
      ))}
    </span>
  );
}

const COUNTS: [string, string, (bar: Bar) => number][] = [
  ["added", "+", (bar) => bar.added],
  ["removed", "−", (bar) => bar.removed],
  ["changed", "~", (bar) => bar.replaced],
  ["moved", "↕", (bar) => bar.moved],
];

function spanWords({ fromMs, toMs }: Span, zone: string): string {
  return `${shortDay(fromMs, zone)} ${clock(fromMs, zone)} to ${clock(toMs, zone)}`;
}

function barIn(bars: readonly Bar[], span: Span): Bar | undefined {
  return bars.find((bar) => bar.ms >= span.fromMs && bar.ms < span.toMs);
}

interface LineProps extends PulseProps {
  hovered: Span | null;
  onHover: (span: Span | null) => void;
}

function Line(props: LineProps) {
  const { grid, bars, zone, chosen, hovered, onHover } = props;
  const box = useRef<SVGSVGElement>(null);
  const [drag, setDrag] = useState<{ from: number; to: number; x: number; moved: boolean } | null>(null);
  const partOf = (event: PointerEvent) => {
    const { left, width } = box.current?.getBoundingClientRect() ?? { left: 0, width: 1 };
    return Math.min(1, Math.max(0, (event.clientX - left) / Math.max(1, width)));
  };
  const down = (event: PointerEvent) => {
    if (event.button !== 0) return;
    (event.currentTarget as Element).setPointerCapture(event.pointerId);
    setDrag({ from: partOf(event), to: partOf(event), x: event.clientX, moved: false });
  };
  const move = (event: PointerEvent) => {
    const part = partOf(event);
    onHover(bucketAt(grid, part));
    if (drag) setDrag({ ...drag, to: part, moved: drag.moved || Math.abs(event.clientX - drag.x) > DRAG });
  };
  const up = () => {
    if (!drag) return;
    setDrag(null);
    if (drag.moved) props.onZoom(dragged(grid, drag.from, drag.to));
    else props.onChoose(same(chosen, bucketAt(grid, drag.from)) ? null : bucketAt(grid, drag.from));
  };
  const buckets = Math.round((grid.toMs - grid.fromMs) / grid.bucketMs);
  const at = chosen ? Math.round((chosen.fromMs - grid.fromMs) / grid.bucketMs) : buckets - 1;
  const range = drag?.moved ? dragged(grid, drag.from, drag.to) : (hovered ?? chosen);
  return (
    <div
      class="pulse-line"
      role="slider"
      tabIndex={0}
      aria-label="The stretch whose changes are shown"
      aria-valuemin={0}
      aria-valuemax={buckets - 1}
      aria-valuenow={at}
      aria-valuetext={chosen ? words(barIn(bars, chosen), chosen, zone) : "all"}
      onPointerDown={down}
      onPointerMove={move}
      onPointerUp={up}
      onPointerCancel={() => setDrag(null)}
      onPointerLeave={() => onHover(null)}
      onKeyDown={(event) => onKey(event, props, at, buckets)}
    >
      <svg ref={box} class="tl" width="100%" height="98" overflow="visible" aria-hidden="true">
        {chosen && <Chosen grid={grid} chosen={chosen} />}
        <TimelineBars bars={bars} span={grid} zone={zone} bucketMs={grid.bucketMs} range={range} />
      </svg>
    </div>
  );
}

function Chosen({ grid, chosen }: { grid: Grid; chosen: Span }) {
  const [from, to] = [fraction(grid, chosen.fromMs), fraction(grid, chosen.toMs)];
  if (to <= 0 || from >= 1) return null;
  return <rect class="chosen" x={`${from * 100}%`} width={`${(to - from) * 100}%`} y="76" height="2" />;
}

function same(a: Span | null, b: Span): boolean {
  return a?.fromMs === b.fromMs && a.toMs === b.toMs;
}

function words(bar: Bar | undefined, span: Span, zone: string): string {
  const counts = COUNTS.map(([kind, , count]) => `${bar ? count(bar) : 0} ${kind}`).join(", ");
  return `${spanWords(span, zone)}: ${counts}`;
}

function onKey(event: KeyboardEvent, props: LineProps, at: number, buckets: number): void {
  const steps: Record<string, number> = { ArrowLeft: at - 1, ArrowRight: at + 1, Home: 0, End: buckets - 1 };
  if (event.key === "Escape" && props.chosen) props.onChoose(null);
  else if (event.key in steps) {
    const to = Math.min(buckets - 1, Math.max(0, props.chosen ? (steps[event.key] as number) : buckets - 1));
    const fromMs = props.grid.fromMs + to * props.grid.bucketMs;
    props.onChoose({ fromMs, toMs: fromMs + props.grid.bucketMs });
  } else return;
  event.preventDefault();
}
