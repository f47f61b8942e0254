import { expect, test } from "vitest";
import { briefly } from "./Brief.tsx";

test.each([
  [null, []],
  [undefined, []],
  [[1, 2], [["", "[1,2]"]]],
  ["text", [["", '"text"']]],
  [
    { plan: "pro", n: 3, deep: { a: 1 }, none: null },
    [
      ["plan", "pro"],
      ["n", "3"],
      ["deep", '{"a":1}'],
      ["none", "null"],
    ],
  ],
])("%j in short", (data, said) => expect(briefly(data)).toEqual(said));

test("of much only as much as a line holds", () => {
  const data = Object.fromEntries(Array.from({ length: 500 }, (_, i) => [`name ${i}`, "x".repeat(1000)]));
  const said = briefly(data);
  expect(said.length).toBeLessThan(4);
  expect(said[0]).toEqual(["name 0", "x".repeat(60)]);
});
