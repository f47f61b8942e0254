/** How high the bars of deliveries are: what arrived stands on the line, failed attempts hang below it. */

import { percentile, type Span } from "../time/bars.ts";

export type Counts = readonly (readonly [arrived: number, failed: number] | number[])[];

export const LINE = 54;
const UP = 46;
const DOWN = 18;
const SHARE = 0.98;

export interface DeliveryBar {
  /** Which stretch it is of. */
  at: number;
  up: number;
  down: number;
}

/** Pixels of those stretches in which anything was sent; one or two that tower over all others are cut. */
export function deliveryBars(counts: Counts): DeliveryBar[] {
  const most = Math.max(
    1,
    percentile(
      counts.map(([arrived = 0]) => arrived),
      SHARE,
    ),
  );
  const mostFailed = Math.max(
    1,
    percentile(
      counts.map(([, failed = 0]) => failed),
      SHARE,
    ),
  );
  return counts.flatMap(([arrived = 0, failed = 0], at) =>
    arrived + failed === 0 ? [] : [{ at, up: height(arrived, most, UP), down: height(failed, mostFailed, DOWN) }],
  );
}

function height(count: number, most: number, pixels: number): number {
  return count === 0 ? 0 : Math.max(2, Math.min(1, count / most) * pixels);
}

export function sum(counts: Counts): { arrived: number; failed: number } {
  return counts.reduce<{ arrived: number; failed: number }>(
    (all, [arrived = 0, failed = 0]) => ({ arrived: all.arrived + arrived, failed: all.failed + failed }),
    { arrived: 0, failed: 0 },
  );
}

/** The nearest stretch before or after one in which anything was sent; null where there is none. */
export function nextSent(counts: Counts, from: number, step: 1 | -1): number | null {
  for (let at = from + step; at >= 0 && at < counts.length; at += step) {
    const [arrived = 0, failed = 0] = counts[at] ?? [];
    if (arrived + failed > 0) return at;
  }
  return null;
}

/** Which stretch a moment lies in, as far as there are any. */
export function stretchOf(ms: number, { fromMs, toMs }: Span, count: number): number {
  return Math.min(count - 1, Math.max(0, Math.floor(((ms - fromMs) / (toMs - fromMs)) * count)));
}
