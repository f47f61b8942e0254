import { expect, test } from "vitest";
import { pathOf } from "./darkline.ts";

const scale = { x: (ms: number) => ms, y: (value: number) => 100 - value };

test.each([
  [false, "M0.0 99.0L10.0 98.0M30.0 95.0h0"],
  [true, "M0.0 99.0H10.0V98.0H20.0M30.0 95.0h0"],
])("a line is broken where it has no value, with steps %s", (step, path) => {
  expect(pathOf([0, 10, 20, 30], [1, 2, null, 5], { ...scale, step })).toBe(path);
});

test("what has no values draws nothing", () =>
  expect(pathOf([0, 10], [null, null], { ...scale, step: true })).toBe(""));
