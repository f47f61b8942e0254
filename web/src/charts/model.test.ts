import { expect, test } from "vitest";
import { type FieldSeries, nearestLine, nearestTime, type Plot, plotsOf, quartiles, unitOf } from "./model.ts";

const field = (
  path: string,
  timesMs: number[],
  values: (number | null)[],
  record: string | null = null,
): FieldSeries => ({
  path,
  timesMs,
  series: [{ record, label: record ?? "", values }],
  leftOff: 1,
});

test.each([
  ["/metadata/count", "count"],
  ["/features/*/properties/mag", "mag"],
  ["/a~1b", "a/b"],
  ["/*", "value"],
  ["", "value"],
])("%j measures %s", (path, unit) => expect(unitOf(path)).toBe(unit));

test("fields of one name share a plot and its times", () => {
  const plots = plotsOf([
    field("/a/price", [1, 3], [10, 30]),
    field("/b/price", [2, 3], [20, null]),
    field("/n", [1], [1]),
  ]);
  expect(plots.map(({ unit }) => unit)).toEqual(["price", "n"]);
  expect(plots[0]).toMatchObject({ timesMs: [1, 2, 3], leftOff: 2 });
  expect(plots[0]?.lines.map(({ name, values }) => [name, values])).toEqual([
    ["a/price", [10, null, 30]],
    ["b/price", [null, 20, null]],
  ]);
});

test("a record is called by its label, and by its field too where several are drawn", () => {
  const alone = plotsOf([field("/f/*/mag", [1], [5], "<img onerror>")]);
  expect(alone[0]?.lines[0]?.name).toBe("<img onerror>");
  const both = plotsOf([field("/f/*/mag", [1], [5], "x"), field("/g/*/mag", [1], [5], "y")]);
  expect(both[0]?.lines[1]?.name).toBe("y (g/*/mag)");
});

const PLOT: Plot = {
  unit: "mag",
  timesMs: [10, 20],
  leftOff: 0,
  lines: [
    [1, null],
    [2, 7],
    [3, null],
    [4, null],
    [5, null],
  ].map((values, i) => ({ name: `${i}`, field: "/m", record: null, values })),
};

test("quartiles are of what is there", () => {
  expect(quartiles(PLOT)).toEqual({ low: [2, 7], middle: [3, 7], high: [4, 7] });
  expect(quartiles({ ...PLOT, lines: [] })).toEqual({ low: [null, null], middle: [null, null], high: [null, null] });
});

test("the pointer finds the nearest time and line", () => {
  expect([0, 14, 16, 99].map((ms) => nearestTime([10, 20], ms))).toEqual([0, 0, 1, 1]);
  expect(nearestLine(PLOT, 0, 3.4)).toBe(2);
  expect(nearestLine(PLOT, 1, 0)).toBe(1);
  expect(nearestLine({ ...PLOT, lines: [] }, 0, 0)).toBe(-1);
});
