// biome-ignore-all lint/a11y/noSvgWithoutTitle: within a drawing that is hidden from screen readers; the slider says it
import type { VNode } from "preact";

import {
  BASE,
  type Bar,
  fraction,
  gaps,
  HEIGHT,
  type Piece,
  pieces,
  type Scale,
  type Span,
  scaleOf,
  type Tick,
  ticks,
} from "./bars";
import { tickText } from "./clock";

/** What is drawn behind the needle. Widths and places are in percent, so that nothing is measured. */
export interface BarsProps {
  bars: readonly Bar[];
  span: Span;
  zone: string;
  /** Of buckets their length; of versions null. */
  bucketMs: number | null;
  /** Bars that a chosen field did not change in are faded. */
  fades?: (bar: Bar) => boolean;
  /** A chosen stretch. */
  range?: Span | null;
}

const CLASSES: Record<Piece["kind"], string> = {
  added: "t-added",
  changed: "t-changed",
  moved: "t-moved",
  removed: "t-removed",
};
/** Versions in which no value changed: a short grey tick. */
const QUIET = new Set(["reorder", "format", "ignored"]);
/** From here on a label would stand beyond the end of the line: of a narrow one, and of any. */
const TIGHT = 0.86;
const NO_ROOM = 0.94;
const NARROWEST = 0.12;
const WIDEST = 0.34;

export function TimelineBars(props: BarsProps): VNode {
  const { bars, span, range } = props;
  const scale = scaleOf(bars);
  const width = barWidth(props);
  return (
    <>
      {range && <Range span={span} range={range} />}
      {ticks(span, props.zone).map((tick) => (
        <TickLine key={tick.ms} tick={tick} span={span} zone={props.zone} />
      ))}
      {bars.map((bar) => (
        <OneBar
          key={bar.id}
          bar={bar}
          x={fraction(span, bar.ms) * 100}
          width={width}
          scale={scale}
          faded={props.fades?.(bar) ?? false}
        />
      ))}
      <line class="base" x1="0" x2="100%" y1={BASE} y2={BASE} />
      {gaps(bars, span).map((gap) => (
        <line
          key={gap.fromMs}
          class="gap"
          x1={percent(fraction(span, gap.fromMs))}
          x2={percent(fraction(span, gap.toMs))}
          y1={BASE}
          y2={BASE}
        />
      ))}
    </>
  );
}

function barWidth({ bars, span, bucketMs }: BarsProps): number {
  if (bucketMs !== null) return Math.max(NARROWEST, (bucketMs / (span.toMs - span.fromMs)) * 100 * 0.82);
  return Math.max(NARROWEST, Math.min(WIDEST, 68 / Math.max(1, bars.length)));
}

function Range({ span, range }: { span: Span; range: Span }): VNode {
  const from = fraction(span, range.fromMs);
  return (
    <rect
      class="range"
      x={percent(from)}
      width={percent(Math.max(0, fraction(span, range.toMs) - from))}
      y="0"
      height={HEIGHT}
    />
  );
}

export function TickLine({ tick, span, zone }: { tick: Tick; span: Span; zone: string }): VNode {
  const part = fraction(span, tick.ms);
  const x = percent(part);
  const { lead, text } = tickText(tick, zone);
  return (
    <>
      <line class="grid" x1={x} x2={x} y1="0" y2={HEIGHT} />
      {part < NO_ROOM && (
        <svg x={x} y="0" overflow="visible">
          <text class={["dl", tick.odd && "odd", part > TIGHT && "tight"].filter(Boolean).join(" ")} x="6" y="90">
            {lead && <tspan class="wd">{lead} </tspan>}
            {text}
          </text>
        </svg>
      )}
    </>
  );
}

interface OneBarProps {
  bar: Bar;
  x: number;
  width: number;
  scale: Scale;
  faded: boolean;
}

function OneBar({ bar, x, width, scale, faded }: OneBarProps): VNode | null {
  if (x < -1 || x > 101) return null;
  const at = `${x.toFixed(2)}%`;
  const { parts, cutUp, cutDown } = pieces(bar, scale);
  if (parts.length === 0) {
    return !QUIET.has(bar.kind) ? null : (
      <rect class="tick" x={at} width={`${width.toFixed(2)}%`} y={BASE - 4} height="3.4" />
    );
  }
  return (
    <>
      {parts.map((part) => (
        <rect
          key={part.kind}
          class={faded ? "off" : CLASSES[part.kind]}
          x={at}
          width={`${width.toFixed(2)}%`}
          y={part.y.toFixed(1)}
          height={part.height.toFixed(1)}
        />
      ))}
      {cutUp && <CutNumber x={x} y={5} value={bar.added + bar.replaced + bar.moved} />}
      {cutDown && <CutNumber x={x} y={HEIGHT + 5} value={bar.removed} />}
    </>
  );
}

/** Beside its bar: before it where the line ends soon. */
function CutNumber({ x, y, value }: { x: number; y: number; value: number }): VNode {
  const before = x > NO_ROOM * 100;
  return (
    <svg x={`${x.toFixed(2)}%`} y="0" overflow="visible">
      <text class="cut" x={before ? -2 : 1} y={y} text-anchor={before ? "end" : "start"}>
        {value.toLocaleString()}
      </text>
    </svg>
  );
}

function percent(part: number): string {
  return `${(part * 100).toFixed(2)}%`;
}
