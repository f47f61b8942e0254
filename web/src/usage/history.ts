/** What a project stored, hour by hour or day by day, as bars against its plan. */

import type { Schemas } from "../api.ts";

export type UsageRow = Schemas["UsageRow"];
export type Interval = "hour" | "day";

export const MEASURES = [
  { id: "snapshots", name: "Snapshots", quota: "snapshots_per_hour", per: "hour" },
  { id: "events", name: "Events", quota: "events_per_month", per: "month" },
  { id: "storage_bytes", name: "Storage", quota: "storage_bytes", per: null },
] as const;
export type Measure = (typeof MEASURES)[number];

export interface UsageBar {
  ms: number;
  /** null where the time has no row: nothing changed. */
  value: number | null;
}

const WIDTH_MS: Record<Interval, number> = { hour: 3_600_000, day: 86_400_000 };
export const SHOWN: Record<Interval, number> = { hour: 72, day: 60 };

/** One bar for each hour or day up to now, the oldest first. Storage stays what it was while nothing changes. */
export function usageBars(rows: readonly UsageRow[], measure: Measure, interval: Interval, nowMs: number): UsageBar[] {
  const width = WIDTH_MS[interval];
  const byMs = new Map(rows.map((row) => [Date.parse(row.start), row]));
  const last = Math.floor(nowMs / width) * width;
  const bars: UsageBar[] = [];
  let kept: number | null = null;
  for (let ms = last - (SHOWN[interval] - 1) * width; ms <= last; ms += width) {
    const value = byMs.get(ms)?.[measure.id] ?? null;
    if (measure.id === "storage_bytes") kept = value ?? kept;
    bars.push({ ms, value: measure.id === "storage_bytes" ? kept : value });
  }
  return bars;
}

/** The line that bars are held against: the plan's limit where it is for the time of a bar. */
export function limitOf(quotas: readonly Schemas["Quota"][], measure: Measure, interval: Interval): number | null {
  if (measure.per !== null && measure.per !== interval) return null;
  return quotas.find((quota) => quota.name === measure.quota)?.limit ?? null;
}

/** How high the drawing goes: the highest bar, and the limit where it is near. */
export function topOf(bars: readonly UsageBar[], limit: number | null): number {
  const most = Math.max(1, ...bars.map((bar) => bar.value ?? 0));
  return limit !== null && limit < most * 4 ? Math.max(most, limit) : most;
}
