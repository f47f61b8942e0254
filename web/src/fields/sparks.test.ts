import { expect, it } from "vitest";
import { BARS, sparksOf } from "./sparks.ts";

const delta = (at: string, ...fields: [string, number][]) => ({
  captured_at: at,
  fields: fields.map(([path, changes]) => ({ path, changes })),
});

it("has a bar for each stretch of time in which a field changed", () => {
  const sparks = sparksOf([
    delta("2025-05-03T00:00:00Z", ["/a", 2]),
    delta("2025-05-02T00:00:00Z", ["/a", 1], ["/b", 5]),
    delta("2025-05-01T00:00:00Z", ["/a", 4]),
  ]);
  const where = (path: string) => sparks.get(path)?.flatMap((count, bar) => (count > 0 ? [[bar, count]] : []));
  expect(where("/a")).toEqual([
    [0, 4],
    [BARS / 2, 1],
    [BARS - 1, 2],
  ]);
  expect(where("/b")).toEqual([[BARS / 2, 5]]);
});

it("knows no field without deltas", () => {
  expect(sparksOf([]).size).toBe(0);
});
