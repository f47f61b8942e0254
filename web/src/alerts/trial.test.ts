import { expect, test } from "vitest";
import { bandPath, niceStep, nights, raisedSpans, scaleOf, stepPath, sweepOf, valueAt, yOf } from "./trial.ts";

const SPAN = { fromMs: 0, toMs: 1000 };

test.each([
  [18, 0.5],
  [20, 1],
  [137, 5],
  [0.4, 0.02],
])("a limit over a range of %d moves by %d", (range, step) => {
  expect(niceStep(range)).toBe(step);
});

test("a height stands for the value that is drawn there, in round steps", () => {
  const scale = scaleOf([123, 141, null], [137]);
  expect(valueAt(yOf(137, scale), scale)).toBe(137);
  expect(valueAt(-500, scale)).toBeLessThan(143);
  expect(scale.step).toBe(1); // of whole numbers a whole one
  expect(scaleOf([], []).most).toBe(1);
  expect(scaleOf([5], []).least).toBe(4);
});

test("steps hold to the next value, with a gap where nothing was", () => {
  const scale = { least: 0, most: 10, step: 1 };
  expect(stepPath([0, 250, 500, 750], [0, 10, null, 0], SPAN, scale)).toBe(
    "M0.0 166.0H250.0V16.0H500.0M750.0 166.0H1000.0",
  );
});

test("the band of what is usual has a piece for each step that has one", () => {
  const scale = { least: 0, most: 10, step: 1 };
  expect(bandPath([0, 250, 500], [[0, 10], null, [5, 5]], SPAN, scale)).toBe(
    "M0.0 16.0H250.0V166.0H0.0ZM500.0 91.0H1000.0V91.0H500.0Z",
  );
});

test("what is still raised lasts to the end", () => {
  const fired = [
    { from: "1970-01-01T00:00:00.100Z", to: null },
    { from: "1970-01-01T00:00:00.200Z", to: "1970-01-01T00:00:00.300Z" },
  ] as Parameters<typeof raisedSpans>[0];
  expect(raisedSpans(fired, SPAN)).toEqual([
    { fromMs: 100, toMs: 1000 },
    { fromMs: 200, toMs: 300 },
  ]);
});

test("quiet hours over midnight, where a zone skips an hour too", () => {
  const span = { fromMs: Date.UTC(2025, 2, 29, 12), toMs: Date.UTC(2025, 2, 30, 12) };
  // biome-ignore lint/suspicious/noThenProperty: as the server names it
  const quiet = { from: "22:00", to: "07:00", timezone: "Europe/Paris", then: "hold" } as const;
  expect(nights(quiet, span)).toEqual([{ fromMs: Date.UTC(2025, 2, 29, 21), toMs: Date.UTC(2025, 2, 30, 5) }]);
  expect(nights({ ...quiet, from: "x" }, span)).toEqual([]);
  expect(nights(null, span)).toEqual([]);
});

test("limits on both sides are tried, and the saved one", () => {
  expect(sweepOf(137, 1, 139)).toEqual([134, 135, 136, 137, 138, 139, 140]);
  expect(sweepOf(0.3, 0.1, 2)).toEqual([0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 2]);
});
