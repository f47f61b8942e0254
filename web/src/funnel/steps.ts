/** A funnel as its address has it, and its rows as bars. */

import type { Row } from "../explore/rows.ts";

export const FEWEST = 2;
export const MOST = 8;
export const WINDOWS = { "1h": "an hour", "1d": "a day", "7d": "a week", "30d": "30 days" } as const;

export interface Bar {
  name: string;
  users: number;
  /** Of those of the first step, and of the step before. */
  share: number;
  shareBefore: number;
  lost: number;
  medianMs: number | null;
}

/** Steps are event types, each an `s` of the address. */
export function stepsOf(asked: URLSearchParams): string[] {
  return asked
    .getAll("s")
    .filter((each) => each.trim() !== "")
    .slice(0, MOST);
}

export function barsOf(rows: readonly Row[]): Bar[] {
  const number = (value: unknown) => (typeof value === "number" ? value : 0);
  return rows.map((row, i) => {
    const users = number(row.users);
    return {
      name: String(row.name),
      users,
      share: number(row.conversion),
      shareBefore: number(row.conversion_from_previous),
      lost: i === 0 ? 0 : Math.max(0, number(rows[i - 1]?.users) - users),
      medianMs: typeof row.median_ms === "number" ? row.median_ms : null,
    };
  });
}

/** A step's place is taken by another, added behind the last, or gone. */
export function changed(steps: readonly string[], place: number, name: string | null): string[] {
  const next = [...steps];
  if (name === null) next.splice(place, 1);
  else next[Math.min(place, next.length)] = name;
  return next.slice(0, MOST);
}
