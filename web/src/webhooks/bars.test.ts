import { expect, test } from "vitest";
import { deliveryBars, nextSent, stretchOf, sum } from "./bars.ts";

const COUNTS = [
  [4, 0],
  [0, 0],
  [2, 1],
  [0, 3],
];

test("what arrived stands, what failed hangs, and nothing is no bar", () => {
  expect(deliveryBars(COUNTS)).toEqual([
    { at: 0, up: 46, down: 0 },
    { at: 2, up: 23, down: 6 },
    { at: 3, up: 0, down: 18 },
  ]);
  expect(deliveryBars([[0, 0]])).toEqual([]);
});

test("a single tower is cut, so that the others are seen", () => {
  const counts = [...Array.from({ length: 99 }, () => [2, 0]), [1000, 0]];
  const bars = deliveryBars(counts);
  expect(bars[0]?.up).toBe(46);
  expect(bars[99]?.up).toBe(46);
});

test("steps go to the next stretch in which anything was sent", () => {
  expect([nextSent(COUNTS, 0, 1), nextSent(COUNTS, 3, -1), nextSent(COUNTS, 3, 1)]).toEqual([2, 2, null]);
  expect(sum(COUNTS)).toEqual({ arrived: 6, failed: 4 });
});

test("a moment lies in a stretch, one beyond the line in the last", () => {
  const span = { fromMs: 0, toMs: 400 };
  expect([0, 99, 100, 399, 900].map((ms) => stretchOf(ms, span, 4))).toEqual([0, 0, 1, 3, 3]);
});
