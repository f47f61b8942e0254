/**
 * The timeline's arithmetic: where time stands on the line, how high bars are, what is under the pointer.
 *
 * Heights are linear up to the 98th percentile; a higher bar is cut there and carries its number. What was removed hangs
 * below the line, so that growth and loss are seen at once.
 */

import { dayOf, wallMs, zonedMs } from "./moments";

export interface Span {
  fromMs: number;
  toMs: number;
}

/** A version, or all versions of a stretch. */
export interface Bar {
  ms: number;
  id: string;
  kind: string;
  versions: number;
  added: number;
  removed: number;
  replaced: number;
  moved: number;
}

export interface Scale {
  /** Pixels of a change. */
  unit: number;
  most: number;
  mostRemoved: number;
}

/** Heights in pixels: the line on which bars stand, how high they may be and how low they may hang. */
export const BASE = 58.75;
export const UP = 50;
export const DOWN = 16;
export const HEIGHT = 76;
const TALLEST_UNIT = 3.4;
const SHARE = 0.98;

export function fraction(span: Span, ms: number): number {
  return span.toMs > span.fromMs ? (ms - span.fromMs) / (span.toMs - span.fromMs) : 0.5;
}

export function msAt(span: Span, part: number): number {
  return span.fromMs + Math.min(1, Math.max(0, part)) * (span.toMs - span.fromMs);
}

export function grown(bar: Bar): number {
  return bar.added + bar.replaced + bar.moved;
}

export function percentile(values: readonly number[], share: number): number {
  const sorted = values.filter((value) => value > 0).sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.ceil(sorted.length * share) - 1)] ?? 0;
}

export function scaleOf(bars: readonly Bar[]): Scale {
  const up = Math.max(1, percentile(bars.map(grown), SHARE));
  const down = percentile(
    bars.map((bar) => bar.removed),
    SHARE,
  );
  const unit = Math.min(TALLEST_UNIT, UP / up, down > 0 ? Math.max(DOWN / down, UP / up / 4) : TALLEST_UNIT);
  return { unit, most: Math.round(UP / unit), mostRemoved: Math.round(DOWN / unit) };
}

export interface Piece {
  kind: "changed" | "added" | "moved" | "removed";
  y: number;
  height: number;
}

/** A bar's coloured pieces, from the line up and from it down; `cut` where the numbers are more than it shows. */
export function pieces(bar: Bar, { unit }: Scale): { parts: Piece[]; cutUp: boolean; cutDown: boolean } {
  const parts: Piece[] = [];
  let top = BASE - 1.3;
  let room = UP;
  for (const [kind, count] of [
    ["changed", bar.replaced],
    ["moved", bar.moved],
    ["added", bar.added],
  ] as const) {
    const height = Math.min(room, count * unit);
    if (height <= 0) continue;
    top -= height;
    room -= height;
    parts.push({ kind, y: top, height: Math.max(0.8, height - 0.6) });
  }
  const hanging = Math.min(DOWN, bar.removed * unit);
  if (hanging > 0) parts.push({ kind: "removed", y: BASE + 0.75, height: Math.max(0.8, hanging) });
  return { parts, cutUp: grown(bar) * unit > UP + 0.5, cutDown: bar.removed * unit > DOWN + 0.5 };
}

/** The place of the bar nearest to a time; -1 of none. `bars` are in the order of time. */
export function nearest(bars: readonly Bar[], ms: number): number {
  const after = firstFrom(bars, ms);
  if (after === 0) return bars.length > 0 ? 0 : -1;
  if (after === bars.length) return after - 1;
  const [before, next] = [bars[after - 1] as Bar, bars[after] as Bar];
  return ms - before.ms <= next.ms - ms ? after - 1 : after;
}

/** The first bar at or after a time. */
export function firstFrom(bars: readonly Bar[], ms: number): number {
  let low = 0;
  let high = bars.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((bars[middle] as Bar).ms < ms) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** Stretches without versions, far longer than most: there the line is dotted. */
export function gaps(bars: readonly Bar[], span: Span): Span[] {
  if (bars.length < 3) return [];
  const steps = bars.slice(1).map((bar, i) => bar.ms - (bars[i] as Bar).ms);
  const usual = percentile(steps, 0.5);
  const least = Math.max(usual * 6, (span.toMs - span.fromMs) / 40);
  return steps.flatMap((step, i) =>
    step > least ? [{ fromMs: (bars[i] as Bar).ms, toMs: (bars[i + 1] as Bar).ms }] : [],
  );
}

/** `by` times as long, with the same time under the pointer; never out of `whole`, never under a second. */
export function zoomed(span: Span, by: number, at: number, whole: Span): Span {
  const length = Math.max(1000, Math.min((span.toMs - span.fromMs) * by, whole.toMs - whole.fromMs));
  const fixed = msAt(span, at);
  const fromMs = Math.min(Math.max(whole.fromMs, fixed - at * length), whole.toMs - length);
  return { fromMs, toMs: fromMs + length };
}

export interface Tick {
  ms: number;
  /** Every second one is left out where there is little room. */
  odd: boolean;
  /** What the label tells. */
  unit: "time" | "day" | "month" | "year";
}

const HOUR = 36e5;
const DAY = 864e5;
const STEPS = [6e4, 3e5, 9e5, 18e5, HOUR, 3 * HOUR, 6 * HOUR, 12 * HOUR, DAY, 2 * DAY, 7 * DAY, 14 * DAY];

/** Where lines stand behind the bars, at most so many; at full hours and days of the reader's zone. */
export function ticks(span: Span, zone: string, most = 10): Tick[] {
  const length = span.toMs - span.fromMs;
  const step = STEPS.find((ms) => length / ms <= most);
  return step === undefined ? monthTicks(span, zone, most) : wallTicks(span, zone, step);
}

/** 1970 began on a Thursday, and weeks begin on Mondays. */
const MONDAY = 4 * DAY;

function wallTicks(span: Span, zone: string, step: number): Tick[] {
  const found: Tick[] = [];
  const shift = step < 2 * DAY ? 0 : MONDAY;
  const first = Math.ceil((wallMs(span.fromMs, zone) - shift) / step) * step + shift;
  for (let wall = first; zonedMs(wall, zone) <= span.toMs; wall += step) {
    found.push({ ms: zonedMs(wall, zone), odd: found.length % 2 === 1, unit: wall % DAY === 0 ? "day" : "time" });
  }
  return found;
}

function monthTicks(span: Span, zone: string, most: number): Tick[] {
  const months = (span.toMs - span.fromMs) / (30 * DAY);
  const step = [1, 2, 3, 6, 12, 24, 60, 120].find((each) => months / each <= most) ?? 240;
  const first = dayOf(span.fromMs, zone);
  const found: Tick[] = [];
  for (
    let month = first.year * 12 + Math.floor((first.month - 1) / Math.min(step, 12)) * Math.min(step, 12);
    ;
    month += step
  ) {
    const ms = zonedMs(Date.UTC(Math.floor(month / 12), month % 12, 1), zone);
    if (ms > span.toMs) return found;
    if (ms >= span.fromMs) found.push({ ms, odd: found.length % 2 === 1, unit: month % 12 === 0 ? "year" : "month" });
  }
}
