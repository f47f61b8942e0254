import { expect, it } from "vitest";
import { sliceOf } from "./useSlice.ts";

it.each([
  [-100, 600, 1000, 30, { first: 0, end: 29 }],
  [3000, 600, 1000, 30, { first: 88, end: 132 }],
  [29_900, 600, 1000, 30, { first: 984, end: 1000 }],
  [0, 600, 0, 30, { first: 0, end: 0 }],
])("of %s hidden pixels and %s seen", (hidden, view, count, height, expected) => {
  expect(sliceOf(hidden, view, count, height)).toEqual(expected);
});
