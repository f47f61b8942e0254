import { expect, it } from "vitest";
import { ticks } from "./ticks.ts";

it.each([
  [
    [1, 1, 0, 4],
    [
      ["add", 0, 0.5],
      ["replace", 0.75, 0.25],
    ],
  ],
  [
    [3],
    [
      ["add", 0, 0.5],
      ["remove", 0.5, 0.5],
    ],
  ],
  [[8, 0], [["move", 0, 0.5]]],
  [[], []],
])("the bytes %j are the ticks %j", (bytes, expected) => {
  expect(ticks(btoa(String.fromCharCode(...bytes))).map(({ op, top, height }) => [op, top, height])).toEqual(expected);
});
