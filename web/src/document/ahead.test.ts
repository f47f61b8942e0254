import { expect, test } from "vitest";
import type { Bar } from "../time/bars";
import { neighbours } from "./ahead";

const bars = Array.from({ length: 12 }, (_, at) => ({ id: String(at), ms: at, kind: "content" }) as Bar);
const line = { bars, bucketMs: null, whole: null };

test.each([
  [0, "5", ["6", "4", "7", "3"]],
  [1, "5", ["6", "7", "8", "9", "10", "11", "4"]],
  [-1, "5", ["4", "3", "2", "1", "0", "6"]],
  [1, "11", ["10"]],
] as const)("going %i from version %s fetches %j ahead", (way, id, ids) => {
  expect(neighbours(line, null, id, way)).toEqual(ids);
});

test("of a coarse line the place knows the neighbours", () => {
  const place = { number: 2, of: 3, previous: "a", next: null, previousChange: null, nextChange: null };
  expect(neighbours({ ...line, bucketMs: 1000 }, place, "b", 1)).toEqual(["a"]);
});
