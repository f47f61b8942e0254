/** The geometry of a trial: the series as steps, its limit, what is raised and when nobody is told. */

import type { Schemas } from "../api.ts";
import { fraction, type Span } from "../time/bars.ts";
import { dayOf, zonedMs } from "../time/moments.ts";
import { tidy } from "./rule.ts";

/** Pixels of the drawing; the units across are thousandths. */
export const HIGH = 178;
const TOP = 16;
const BOTTOM = 12;
const WIDE = 1000;

export interface Scale {
  least: number;
  most: number;
  /** How much a key or a pixel moves a limit: a round number. */
  step: number;
}

/** From the values and limits that are to be seen. */
export function scaleOf(values: readonly (number | null)[], limits: readonly (number | null | undefined)[]): Scale {
  const all = [...values, ...limits].filter((value): value is number => typeof value === "number");
  const least = Math.min(...all);
  const most = Math.max(...all);
  if (all.length === 0) return { least: 0, most: 1, step: 0.1 };
  if (least === most) return { least: least - 1, most: most + 1, step: niceStep(Math.abs(least) || 1) };
  const step = niceStep(most - least);
  return { least, most, step: all.every(Number.isInteger) ? Math.max(1, step) : step };
}

/** A twentieth of a range at most, as 1, 2 or 5 of a power of ten. */
export function niceStep(range: number): number {
  const rough = range / 20;
  const power = 10 ** Math.floor(Math.log10(rough));
  const lead = [5, 2, 1].find((each) => each * power <= rough * 1.0001) ?? 1;
  return tidy(lead * power);
}

export function yOf(value: number, { least, most }: Scale): number {
  const part = Math.min(1.05, Math.max(-0.05, (value - least) / (most - least)));
  return HIGH - BOTTOM - part * (HIGH - TOP - BOTTOM);
}

/** The limit at a height, as a multiple of the step. */
export function valueAt(y: number, { least, most, step }: Scale): number {
  const part = (HIGH - BOTTOM - y) / (HIGH - TOP - BOTTOM);
  const value = least + Math.min(1.05, Math.max(-0.05, part)) * (most - least);
  return tidy(Math.round(value / step) * step);
}

/** Steps from each time to the next, the last one to the end; where nothing was, there is a gap. */
export function stepPath(
  times: readonly number[],
  values: readonly (number | null)[],
  span: Span,
  scale: Scale,
): string {
  const x = (ms: number) => (Math.min(1, Math.max(0, fraction(span, ms))) * WIDE).toFixed(1);
  let path = "";
  for (const [i, value] of values.entries()) {
    if (value === null || value === undefined) continue;
    const before = values[i - 1];
    const y = yOf(value, scale).toFixed(1);
    path += before === null || before === undefined ? `M${x(times[i] ?? 0)} ${y}` : `V${y}`;
    path += `H${x(times[i + 1] ?? span.toMs)}`;
  }
  return path;
}

/** The ranges in which a number is usual, each for its step. */
export function bandPath(
  times: readonly number[],
  ranges: readonly (readonly [number, number] | readonly number[] | null)[],
  span: Span,
  scale: Scale,
): string {
  const x = (ms: number) => (Math.min(1, Math.max(0, fraction(span, ms))) * WIDE).toFixed(1);
  return ranges
    .map((range, i) => {
      const [low, high] = range ?? [];
      if (low === undefined || high === undefined) return "";
      const [top, bottom] = [yOf(high, scale), yOf(low, scale)].map((y) => y.toFixed(1));
      return `M${x(times[i] ?? 0)} ${top}H${x(times[i + 1] ?? span.toMs)}V${bottom}H${x(times[i] ?? 0)}Z`;
    })
    .join("");
}

/** When it would have been raised; what is still raised lasts to the end. */
export function raisedSpans(fired: Schemas["TrialAnswer"]["fired"], span: Span): Span[] {
  return fired.map((each) => ({
    fromMs: Date.parse(each.from),
    toMs: each.to === null ? span.toMs : Date.parse(each.to),
  }));
}

const DAY_MS = 864e5;

/** The quiet hours within a stretch; of more than 400 days none, which nobody could tell apart. */
export function nights(quiet: Schemas["Quiet"] | null | undefined, span: Span): Span[] {
  if (!quiet || span.toMs - span.fromMs > 400 * DAY_MS) return [];
  const [from, to] = [minutesOf(quiet.from), minutesOf(quiet.to)];
  const zone = quiet.timezone ?? "UTC";
  if (from === null || to === null || from === to) return [];
  const found: Span[] = [];
  const { year, month, day } = dayOf(span.fromMs - DAY_MS, zone);
  for (let wall = Date.UTC(year, month - 1, day); ; wall += DAY_MS) {
    const fromMs = zonedMs(wall + from * 6e4, zone);
    const toMs = zonedMs(wall + to * 6e4 + (to < from ? DAY_MS : 0), zone);
    if (fromMs > span.toMs) return found;
    if (toMs > span.fromMs) found.push({ fromMs: Math.max(fromMs, span.fromMs), toMs: Math.min(toMs, span.toMs) });
  }
}

function minutesOf(clock: string): number | null {
  const found = /^(\d\d):(\d\d)$/.exec(clock);
  return found ? Number(found[1]) * 60 + Number(found[2]) : null;
}

/** The limits beside one, to try them too: three on each side, and the one that is saved. */
export function sweepOf(value: number, step: number, saved: number | null): number[] {
  const found = [-3, -2, -1, 0, 1, 2, 3].map((by) => {
    const other = value + by * step;
    return Math.abs(other) < step / 1e6 ? 0 : tidy(other); // 0.3 - 3 * 0.1 is not quite 0
  });
  if (saved !== null && !found.includes(saved)) found.push(saved);
  return found.sort((a, b) => a - b);
}
