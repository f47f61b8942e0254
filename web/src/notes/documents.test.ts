import { expect, it } from "vitest";
import { countsText, height, within } from "./documents.ts";

const mark = (ms: number, added = 0, changed = 0, removed = 0) => ({ ms, added, changed, removed });

it("counts what changed in a stretch", () => {
  const line = { endpoint: "a", bucketMs: null, marks: [mark(1, 1), mark(2, 0, 3), mark(3, 0, 0, 9)] };
  expect(within(line, { fromMs: 1, toMs: 3 })).toEqual(mark(2, 1, 3, 0));
  expect(within(line, { fromMs: 4, toMs: 9 })).toBeNull();
  expect(countsText(mark(0, 1, 3, 0))).toBe("+1 ~3");
  expect(countsText(mark(0, 0, 0, 2))).toBe("−2");
});

it("draws one change so that it is seen beside a thousand", () => {
  expect(height(0, 1000)).toBe(0);
  expect(height(1, 1000)).toBeGreaterThan(3);
  expect(height(1000, 1000)).toBe(14);
});
