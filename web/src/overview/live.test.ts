import { expect, test } from "vitest";
import type { Known, Listed } from "./list.ts";
import { pulseWithNews, type ToldDelta, type ToldSnapshot, withNews } from "./live.ts";

const HOUR = 3_600_000;
const at = (ms: number) => new Date(ms).toISOString();

const BEFORE: Listed = {
  id: "e1",
  name: "quakes",
  description: "",
  lastMs: 5 * HOUR,
  firstMs: 1 * HOUR,
  versions: 5,
  changes: 4,
  rawBytes: 500,
  storedBytes: 50,
  documentBytes: 100,
  lastDelta: null,
  lastChangeMs: 5 * HOUR,
  spark: [
    [1, 0],
    [2, 1],
  ],
};
const KNOWN: Known = {
  listed: [BEFORE],
  totals: { endpoints: 900, versions: 50, changes: 40, rawBytes: 5000, storedBytes: 500, firstMs: HOUR, dayEdits: 7 },
  isWhole: false,
};
const snapshot = (ms: number, endpoint = "e1"): ToldSnapshot => ({
  endpoint: { id: endpoint, name: "quakes" },
  snapshot: { id: "s", captured_at: at(ms), size_bytes: 70 },
});
const delta = (ms: number): ToldDelta => ({
  endpoint: { id: "e1", name: "quakes" },
  delta: {
    id: "d",
    from_snapshot_id: "a",
    to_snapshot_id: "b",
    captured_at: at(ms),
    kind: "content",
    added: 1,
    removed: 2,
    replaced: 3,
    moved: 4,
  },
});

test("a snapshot and its delta are counted where they stand", () => {
  const next = withNews(
    KNOWN,
    { snapshots: [snapshot(6 * HOUR)], deltas: [delta(6 * HOUR)], afresh: false, missed: false },
    0,
    6 * HOUR,
  );
  expect(next?.listed[0]).toMatchObject({
    versions: 6,
    changes: 5,
    rawBytes: 570,
    documentBytes: 70,
    lastMs: 6 * HOUR,
    lastChangeMs: 6 * HOUR,
    lastDelta: { fromId: "a", toId: "b", added: 1 },
    spark: [
      [1, 0],
      [10, 3],
    ],
  });
});

test("one that is filed into the past changes no newest", () => {
  const next = withNews(
    KNOWN,
    { snapshots: [snapshot(2 * HOUR)], deltas: [delta(2 * HOUR)], afresh: false, missed: false },
    0,
    6 * HOUR,
  );
  expect(next?.listed[0]).toMatchObject({
    versions: 6,
    documentBytes: 100,
    lastMs: 5 * HOUR,
    lastDelta: null,
    spark: [
      [9, 2],
      [2, 1],
    ],
  });
});

test("the totals of all endpoints grow with them", () => {
  const news = {
    snapshots: [snapshot(HOUR / 2), snapshot(6 * HOUR)],
    deltas: [delta(6 * HOUR)],
    afresh: false,
    missed: false,
  };
  const next = withNews(KNOWN, news, 0, 6 * HOUR);
  expect(next?.totals).toEqual({
    endpoints: 900,
    versions: 52,
    changes: 41,
    rawBytes: 5140,
    storedBytes: 500,
    firstMs: HOUR / 2,
    dayEdits: 17,
  });
  expect(next?.isWhole).toBe(false);
});

test("an endpoint that is not in the list has it fetched", () => {
  expect(
    withNews(KNOWN, { snapshots: [snapshot(1, "other")], deltas: [], afresh: false, missed: false }, 0, 1),
  ).toBeNull();
  expect(withNews(KNOWN, { snapshots: [], deltas: [], afresh: true, missed: false }, 0, 1)).toBeNull();
});

test("the pulse grows in its buckets, and what is beyond it does not count", () => {
  const grid = { fromMs: 0, toMs: 3 * HOUR, bucketMs: HOUR };
  const bars = pulseWithNews([], grid, [delta(HOUR), delta(HOUR + 5), delta(2 * HOUR), delta(3 * HOUR), delta(-5)]);
  expect(bars.map(({ ms, versions, removed }) => [ms, versions, removed])).toEqual([
    [HOUR, 2, 4],
    [2 * HOUR, 1, 2],
  ]);
});
