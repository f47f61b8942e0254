/** A month as a grid of days, and how much changed on each. */

import { type Bar, grown } from "./bars";
import { dayStart, zonedMs } from "./moments";

export interface MonthDay {
  day: number;
  ms: number;
  endMs: number;
}

/** The days of a month, with null for those of the first week that are another's. Weeks begin on Mondays. */
export function monthDays(year: number, month: number, zone: string): (MonthDay | null)[] {
  const empty = (new Date(Date.UTC(year, month - 1, 1)).getUTCDay() + 6) % 7;
  const count = new Date(Date.UTC(year, month, 0)).getUTCDate();
  const start = (day: number): number => zonedMs(Date.UTC(year, month - 1, day), zone);
  const days = Array.from({ length: count }, (_, i) => ({ day: i + 1, ms: start(i + 1), endMs: start(i + 2) }));
  return [...new Array<null>(empty).fill(null), ...days];
}

export function perDay(bars: readonly Bar[], zone: string): Map<number, number> {
  const found = new Map<number, number>();
  for (const bar of bars) {
    const day = dayStart(bar.ms, zone);
    found.set(day, (found.get(day) ?? 0) + grown(bar) + bar.removed);
  }
  return found;
}

export function monthName(ms: number, zone: string): string {
  return new Intl.DateTimeFormat("en-GB", { month: "long", year: "numeric", timeZone: zone }).format(ms);
}
