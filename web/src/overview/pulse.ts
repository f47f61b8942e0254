/** The pulse's ranges: what of the project's time is drawn, and how finely. */

import type { Span } from "../time/bars.ts";

const HOUR = 3_600_000;
const DAY = 24 * HOUR;

export const RANGES = { "24h": "24 h", "9d": "9 d", all: "All" } as const;
export type Range = keyof typeof RANGES;
export const USUAL: Range = "9d";

/** A stretch and the buckets it is cut into. */
export interface Grid extends Span {
  bucketMs: number;
}

/** The server counts by whole hours and days. */
const WIDTHS = [HOUR, 3 * HOUR, 6 * HOUR, 12 * HOUR, DAY, 7 * DAY];
const MOST = 240;

/** `text` is the address's: a range's name, or FROM..TO. `first` is when the project's history begins. */
export function gridOf(text: string | null, nowMs: number, firstMs: number | null): Grid {
  const typed = spanOf(text);
  if (typed) return snapped(typed, 1);
  const hour = Math.ceil((nowMs + 1) / HOUR) * HOUR;
  if (text === "24h") return { fromMs: hour - DAY, toMs: hour, bucketMs: HOUR };
  if (text === "all" && firstMs !== null) return snapped({ fromMs: Math.min(firstMs, hour - HOUR), toMs: nowMs }, 24);
  return { fromMs: hour - 9 * DAY, toMs: hour, bucketMs: HOUR };
}

/** The stretch in whole buckets, at least so many. */
function snapped(span: Span, least: number): Grid {
  const length = Math.max(span.toMs - span.fromMs, least * HOUR);
  const bucketMs = WIDTHS.find((width) => length / width <= MOST) ?? Math.ceil(length / MOST / DAY) * DAY;
  const fromMs = Math.floor(span.fromMs / bucketMs) * bucketMs;
  const count = Math.max(least, Math.ceil((span.toMs - fromMs + 1) / bucketMs));
  return { fromMs, toMs: fromMs + count * bucketMs, bucketMs };
}

export function spanOf(text: string | null): Span | null {
  const [from, to, ...more] = (text ?? "").split("..").map((part) => Date.parse(part));
  if (from === undefined || to === undefined || more.length > 0 || !(to > from)) return null;
  return { fromMs: from, toMs: to };
}

export function spanText({ fromMs, toMs }: Span): string {
  return `${brief(fromMs)}..${brief(toMs)}`;
}

function brief(ms: number): string {
  return new Date(ms).toISOString().replace(/(:00)?\.000Z$/, "Z");
}

const NAMES: [number, string][] = [
  [HOUR, "hour by hour"],
  [3 * HOUR, "each 3 hours"],
  [6 * HOUR, "each 6 hours"],
  [12 * HOUR, "each 12 hours"],
  [DAY, "day by day"],
  [7 * DAY, "week by week"],
];

/** "Changes, hour by hour" */
export function title({ bucketMs }: Grid): string {
  const name = NAMES.find(([width]) => width === bucketMs)?.[1];
  return `Changes, ${name ?? `each ${Math.round(bucketMs / DAY)} days`}`;
}

/** The bucket that a place of the drawing is in; `part` is from 0 to 1. */
export function bucketAt(grid: Grid, part: number): Span {
  const buckets = Math.round((grid.toMs - grid.fromMs) / grid.bucketMs);
  const at = Math.min(buckets - 1, Math.max(0, Math.floor(part * buckets)));
  const fromMs = grid.fromMs + at * grid.bucketMs;
  return { fromMs, toMs: fromMs + grid.bucketMs };
}

/** The buckets that a drag goes over, whole. */
export function dragged(grid: Grid, from: number, to: number): Span {
  const [low, high] = [Math.min(from, to), Math.max(from, to)];
  return { fromMs: bucketAt(grid, low).fromMs, toMs: bucketAt(grid, high).toMs };
}
