import { expect, test } from "vitest";
import { bucketAt, dragged, gridOf, spanOf, spanText, title } from "./pulse.ts";

const NOW = Date.parse("2026-05-24T22:09:00Z");
const HOUR = 3_600_000;
const iso = (ms: number) => new Date(ms).toISOString();

test.each([
  [null, "2026-05-15T23:00:00.000Z", "2026-05-24T23:00:00.000Z", 216],
  ["nonsense", "2026-05-15T23:00:00.000Z", "2026-05-24T23:00:00.000Z", 216],
  ["24h", "2026-05-23T23:00:00.000Z", "2026-05-24T23:00:00.000Z", 24],
  ["2026-05-24T01:30Z..2026-05-24T02:10Z", "2026-05-24T01:00:00.000Z", "2026-05-24T03:00:00.000Z", 2],
  ["all", "2026-05-20T00:00:00.000Z", "2026-05-24T23:00:00.000Z", 119],
])("range %j", (text, from, to, buckets) => {
  const grid = gridOf(text, NOW, Date.parse("2026-05-20T00:20:00Z"));
  expect([iso(grid.fromMs), iso(grid.toMs)]).toEqual([from, to]);
  expect((grid.toMs - grid.fromMs) / grid.bucketMs).toBe(buckets);
});

test("all of ten years is some hundred bars", () => {
  const grid = gridOf("all", NOW, NOW - 3653 * 24 * HOUR);
  const buckets = (grid.toMs - grid.fromMs) / grid.bucketMs;
  expect(buckets).toBeGreaterThan(100);
  expect(buckets).toBeLessThanOrEqual(242);
  expect(title(grid)).toBe("Changes, each 16 days");
});

test("all of a project that has nothing is as usual", () => {
  expect(gridOf("all", NOW, null)).toEqual(gridOf(null, NOW, null));
});

test.each(["", "..", "a..b", "2026-01-02..2026-01-01", "2026-01-01..2026-01-02..2026-01-03"])(
  "%j is no stretch",
  (text) => {
    expect(spanOf(text)).toBeNull();
  },
);

test("a stretch comes back from the address", () => {
  const span = { fromMs: Date.parse("2026-05-24T01:30:00Z"), toMs: Date.parse("2026-05-24T02:10:05Z") };
  expect(spanText(span)).toBe("2026-05-24T01:30Z..2026-05-24T02:10:05Z");
  expect(spanOf(spanText(span))).toEqual(span);
});

test("places are whole buckets", () => {
  const grid = gridOf(null, NOW, null);
  expect(bucketAt(grid, -1).fromMs).toBe(grid.fromMs);
  expect(bucketAt(grid, 1).toMs).toBe(grid.toMs);
  expect(dragged(grid, 0.999, 0).fromMs).toBe(grid.fromMs);
  expect(dragged(grid, 0.999, 0).toMs).toBe(grid.toMs);
  expect(title(grid)).toBe("Changes, hour by hour");
});
