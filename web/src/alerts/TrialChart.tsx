// biome-ignore-all lint/a11y/noSvgWithoutTitle: within a drawing that is hidden from screen readers; the sliders say it
import { useLayoutEffect, useMemo, useRef, useState } from "preact/hooks";
import { fraction, type Span, ticks } from "../time/bars.ts";
import { moment } from "../time/clock.ts";
import { TickLine } from "../time/TimelineBars.tsx";
import { type Draft, hasLevel, limitText, type Trial } from "./rule.ts";
import { bandPath, HIGH, nights, raisedSpans, type Scale, scaleOf, stepPath, valueAt, yOf } from "./trial.ts";

/** How far the drawing stands below the top of its slider. */
const ABOVE = 20;

interface ChartProps {
  trial: Trial;
  draft: Draft;
  span: Span;
  zone: string;
  atMs: number | null;
  onMoment: (ms: number) => void;
  onOpen: () => void;
  onLimit: (value: number) => void;
}

/** The series of what is judged, with its limit, what would have been raised, and when nobody is told. */
export function TrialChart(props: ChartProps) {
  const { trial, draft, span, zone, atMs } = props;
  const times = useMemo(() => trial.series.times.map((time) => Date.parse(time)), [trial]);
  const { values } = trial.series;
  const hasLimit = hasLevel(draft) && typeof draft.value === "number";
  const usual = trial.series.usual?.flatMap((each) => each ?? []) ?? [];
  const fresh = scaleOf([...values, ...usual], hasLimit ? [draft.value, draft.clear?.value] : []);
  const held = useRef<Scale | null>(null); // while a limit is dragged, the scale stands still
  const scale = held.current ?? fresh;
  const fired = trial.fired;
  const here = atMs === null ? -1 : fired.findIndex(({ from }) => Date.parse(from) === atMs);
  const step = (to: number) => {
    const found = fired[Math.max(0, Math.min(fired.length - 1, to))];
    if (found) props.onMoment(Date.parse(found.from));
  };
  const key = (event: KeyboardEvent) => {
    const steps: Record<string, number> = {
      ArrowLeft: here < 0 ? fired.length - 1 : here - 1,
      ArrowRight: here < 0 ? fired.length - 1 : here + 1,
      Home: 0,
      End: fired.length - 1,
    };
    const to = steps[event.key];
    if (event.key === "Enter" && atMs !== null) props.onOpen();
    else if (to !== undefined) step(to);
    else return;
    event.preventDefault();
  };
  const press = (event: PointerEvent) => {
    if (event.button !== 0) return;
    const { left, width } =
      (event.currentTarget as Element).querySelector("svg")?.getBoundingClientRect() ?? new DOMRect();
    const ms = span.fromMs + ((event.clientX - left) / Math.max(1, width)) * (span.toMs - span.fromMs);
    const nearest = fired.map(({ from }) => Date.parse(from)).sort((a, b) => Math.abs(a - ms) - Math.abs(b - ms))[0];
    if (nearest !== undefined) props.onMoment(nearest);
  };
  return (
    <div class="trial-box">
      <div
        class="slider trial"
        role="slider"
        tabIndex={0}
        aria-label="When it would have fired"
        aria-valuemin={0}
        aria-valuemax={fired.length}
        aria-valuenow={here + 1}
        aria-valuetext={firedText(fired, here, zone)}
        onKeyDown={key}
        onPointerDown={press}
      >
        <svg class="tl ch" width="100%" height="200" overflow="visible" aria-hidden="true">
          <Ground draft={draft} trial={trial} span={span} zone={zone} />
          <Series times={times} trial={trial} span={span} scale={scale} />
          {fired.map((each) => (
            <Fire
              key={`${each.from} ${each.record}`}
              fired={each}
              span={span}
              scale={scale}
              isAt={Date.parse(each.from) === atMs}
            />
          ))}
          {typeof draft.clear?.value === "number" ? <Level kind="thr lo" y={yOf(draft.clear.value, scale)} /> : null}
          {atMs === null ? null : <Needle x={fraction(span, atMs)} />}
          <Labels values={values} draft={draft} scale={scale} hasLimit={hasLimit} />
        </svg>
      </div>
      {hasLimit ? (
        <Limit
          value={draft.value as number}
          words={limitText(draft)}
          scale={scale}
          onLimit={props.onLimit}
          hold={(on) => {
            held.current = on ? scale : null;
          }}
        />
      ) : null}
    </div>
  );
}

function firedText(fired: Trial["fired"], at: number, zone: string): string {
  const found = fired[at];
  if (!found) return fired.length === 0 ? "never" : `${fired.length} times`;
  return `${moment(Date.parse(found.from), zone)}, ${JSON.stringify(found.value)}, ${at + 1} of ${fired.length}`;
}

function Ground({ draft, trial, span, zone }: Pick<ChartProps, "draft" | "trial" | "span" | "zone">) {
  return (
    <>
      <defs>
        <pattern id="hatch" width="6" height="6" patternUnits="userSpaceOnUse" patternTransform="rotate(45)">
          <line class="hz" x1="0" x2="0" y1="0" y2="6" />
        </pattern>
      </defs>
      {ticks(span, zone).map((tick) => (
        <svg key={tick.ms} y="104" x="0" overflow="visible">
          <TickLine tick={tick} span={span} zone={zone} />
        </svg>
      ))}
      {nights(draft.quiet, span).map((each) => (
        <Stretch key={each.fromMs} kind="night" of={each} span={span} height={HIGH} />
      ))}
      {raisedSpans(trial.fired, span).map((each, i) => (
        <g key={i}>
          {draft.kind === "usual" ? null : <Stretch kind="raised" of={each} span={span} height={HIGH} />}
          <Stretch kind="lid" of={each} span={span} height={3} />
        </g>
      ))}
    </>
  );
}

function Stretch({ kind, of, span, height }: { kind: string; of: Span; span: Span; height: number }) {
  const [from, to] = [of.fromMs, of.toMs].map((ms) => Math.min(1, Math.max(0, fraction(span, ms)))) as [number, number];
  if (to <= from) return null;
  return <rect class={kind} x={`${from * 100}%`} width={`${(to - from) * 100}%`} y="0" height={height} />;
}

function Series({ times, trial, span, scale }: { times: number[]; trial: Trial; span: Span; scale: Scale }) {
  const { values, usual } = trial.series;
  return (
    <svg x="0" y="0" width="100%" height={HIGH} viewBox={`0 0 1000 ${HIGH}`} preserveAspectRatio="none">
      {usual ? <path class="usual" d={bandPath(times, usual, span, scale)} /> : null}
      <path class="ln" d={stepPath(times, values, span, scale)} />
    </svg>
  );
}

function Fire({
  fired,
  span,
  scale,
  isAt,
}: {
  fired: Trial["fired"][number];
  span: Span;
  scale: Scale;
  isAt: boolean;
}) {
  const value = typeof fired.value === "number" ? fired.value : scale.most;
  return (
    <svg x={`${fraction(span, Date.parse(fired.from)) * 100}%`} y={yOf(value, scale)} overflow="visible">
      <circle class={isAt ? "fire at" : "fire"} r={isAt ? 4.5 : 3.5} />
    </svg>
  );
}

function Level({ kind, y }: { kind: string; y: number }) {
  return <line class={kind} x1="0" x2="100%" y1={y} y2={y} />;
}

function Needle({ x }: { x: number }) {
  if (x < 0 || x > 1) return null;
  return (
    <svg class="needle" x={`${x * 100}%`} y="0" overflow="visible">
      <line x1="0" x2="0" y1="-6" y2={HIGH} />
      <path d="M-6-16h12v9l-6 5-6-5z" />
    </svg>
  );
}

function Labels({
  values,
  draft,
  scale,
  hasLimit,
}: {
  values: readonly (number | null)[];
  draft: Draft;
  scale: Scale;
  hasLimit: boolean;
}) {
  const numbers = values.filter((value) => value !== null);
  const limits = hasLimit ? [draft.value, draft.clear?.value].filter((value) => typeof value === "number") : [];
  const shown = [...limits];
  for (const value of numbers.length > 0 ? [Math.max(...numbers), Math.min(...numbers)] : []) {
    if (shown.every((other) => Math.abs(yOf(other, scale) - yOf(value, scale)) > 13)) shown.push(value);
  }
  return (
    <svg x="100%" y="0" overflow="visible">
      {shown.map((value, i) => (
        <text
          key={i}
          class={hasLimit && i === 0 ? "dl yl strong" : "dl yl"}
          x="8"
          y={yOf(value, scale) + 4 + (hasLimit && i === 1 ? 8 : 0)}
        >
          {value}
        </text>
      ))}
    </svg>
  );
}

interface LimitProps {
  value: number;
  words: string;
  scale: Scale;
  onLimit: (value: number) => void;
  hold: (on: boolean) => void;
}

/** The line of the limit: dragged, or moved by keys, it is tried at once. */
function Limit({ value, words, scale, onLimit, hold }: LimitProps) {
  const line = useRef<HTMLDivElement>(null);
  const [dragged, setDragged] = useState(false);
  useLayoutEffect(() => {
    if (line.current) line.current.style.top = `${ABOVE + yOf(value, scale)}px`;
  });
  const move = (event: PointerEvent) => {
    if (!dragged) return;
    const top = line.current?.parentElement?.getBoundingClientRect().top ?? 0;
    const to = valueAt(event.clientY - top - ABOVE, scale);
    if (to !== value) onLimit(to);
  };
  const end = () => {
    setDragged(false);
    hold(false);
  };
  const key = (event: KeyboardEvent) => {
    const by = { ArrowUp: 1, ArrowRight: 1, ArrowDown: -1, ArrowLeft: -1, PageUp: 10, PageDown: -10 }[event.key];
    if (by === undefined) return;
    event.preventDefault();
    onLimit(Number((value + by * scale.step).toPrecision(12)));
  };
  return (
    <div
      ref={line}
      class="limit-line"
      role="slider"
      tabIndex={0}
      aria-label="Limit"
      aria-orientation="vertical"
      aria-valuemin={scale.least}
      aria-valuemax={scale.most}
      aria-valuenow={value}
      aria-valuetext={words}
      onPointerDown={(event) => {
        if (event.button !== 0) return;
        event.currentTarget.setPointerCapture(event.pointerId);
        setDragged(true);
        hold(true);
      }}
      onPointerMove={move}
      onPointerUp={end}
      onPointerCancel={end}
      onKeyDown={key}
    />
  );
}
