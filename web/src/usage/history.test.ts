import { expect, test } from "vitest";
import { limitOf, MEASURES, SHOWN, topOf, usageBars } from "./history.ts";

const HOUR = 3_600_000;
const NOW = 1000 * HOUR + 5;
const [SNAPSHOTS, EVENTS, STORAGE] = MEASURES;
const row = (hour: number, snapshots: number, storage_bytes: number | null) => ({
  start: new Date(hour * HOUR).toISOString(),
  snapshots,
  events: 0,
  storage_bytes,
});

test("hours without a row are empty, but storage stays", () => {
  const rows = [row(1000, 5, null), row(998, 3, 70)];
  const snapshots = usageBars(rows, SNAPSHOTS, "hour", NOW);
  expect(snapshots).toHaveLength(SHOWN.hour);
  expect(snapshots.slice(-3).map(({ value }) => value)).toEqual([3, null, 5]);
  expect(
    usageBars(rows, STORAGE, "hour", NOW)
      .slice(-4)
      .map(({ value }) => value),
  ).toEqual([null, 70, 70, 70]);
});

test("a limit is drawn where it is for the time of a bar", () => {
  const quotas = [
    { name: "snapshots_per_hour", use: 1, limit: 100, resets_at: null },
    { name: "events_per_month", use: 1, limit: 1000, resets_at: null },
    { name: "storage_bytes", use: 1, limit: null, resets_at: null },
  ] as Parameters<typeof limitOf>[0];
  expect(limitOf(quotas, SNAPSHOTS, "hour")).toBe(100);
  expect(limitOf(quotas, SNAPSHOTS, "day")).toBeNull();
  expect(limitOf(quotas, EVENTS, "day")).toBeNull();
  expect(limitOf(quotas, STORAGE, "day")).toBeNull();
});

test.each([
  [null, 50],
  [60, 60],
  [40, 50],
  [1000, 50],
])("with the limit %d bars go up to %d", (limit, top) => {
  expect(
    topOf(
      [
        { ms: 0, value: 50 },
        { ms: 1, value: null },
      ],
      limit,
    ),
  ).toBe(top);
});
