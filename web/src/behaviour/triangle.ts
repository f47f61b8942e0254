/** Retention as a triangle: cohorts below each other, the periods after them beside. */

import type { Row } from "../explore/rows.ts";

export interface Cell {
  cohort: string;
  period: number;
  users: number;
  share: number;
  /** The period is over within the range. */
  isComplete: boolean;
}

export interface Cohort {
  at: string;
  size: number;
  cells: readonly Cell[];
}

export const EVERY = { "1d": "day", "1w": "week", month: "month" } as const;
export type Every = keyof typeof EVERY;
export const PERIODS = { "4": "4", "8": "8", "12": "12", "30": "30" } as const;
/** Shades there are, but for none. */
export const SHADES = 9;

export function cohortsOf(rows: readonly Row[]): Cohort[] {
  const found = new Map<string, { at: string; size: number; cells: Cell[] }>();
  for (const row of rows) {
    const cohort = String(row.cohort);
    const one = found.get(cohort) ?? { at: cohort, size: Number(row.size) || 0, cells: [] };
    one.cells.push({
      cohort,
      period: Number(row.period),
      users: Number(row.users) || 0,
      share: Number(row.share) || 0,
      isComplete: row.complete === true,
    });
    found.set(cohort, one);
  }
  return [...found.values()];
}

/** Of all cohorts together, the share that came back in each period: only cohorts whose period is over count. */
export function averages(cohorts: readonly Cohort[]): (number | null)[] {
  const periods = Math.max(0, ...cohorts.map(({ cells }) => cells.length));
  return Array.from({ length: periods }, (_, period) => {
    const over = cohorts.filter(({ cells }) => cells[period]?.isComplete);
    const size = over.reduce((sum, one) => sum + one.size, 0);
    return size === 0 ? null : over.reduce((sum, { cells }) => sum + (cells[period]?.users ?? 0), 0) / size;
  });
}

/** 0 of nothing, SHADES of all. */
export function shadeOf(share: number): number {
  return share <= 0 ? 0 : Math.min(SHADES, 1 + Math.floor(share * SHADES));
}
