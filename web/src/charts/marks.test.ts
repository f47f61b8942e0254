import { expect, test } from "vitest";
import { rowOf } from "./marks.ts";

test.each([
  ["far apart", [0, 40, 80], [0, 0, 0]],
  ["beside each other", [0, 14.5, 29], [0, 0, 0]],
  ["on each other", [0, 5, 10, 20], [0, 1, 2, 0]],
  ["more than there are rows", [0, 1, 2, 3], [0, 1, 2, 0]],
])("flags that stand %s", (_, places, rows) => {
  const ends: number[] = [];
  expect(places.map((x) => rowOf(x, ends, 14))).toEqual(rows);
});
