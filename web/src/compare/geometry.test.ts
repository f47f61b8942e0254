import { expect, it } from "vitest";
import { Geometry } from "./geometry.ts";

const SAME = { head: 26, change: 26 };

it("has the exact number of lines at once, whatever it learns", () => {
  const geometry = new Geometry(250, 100, SAME, 280);
  expect(geometry.lines(3)).toBe(280);
  geometry.set(1, { heads: 25, changes: 100, plain: 125 });
  expect(geometry.lines(3)).toBe(280);
  expect(geometry.height).toBeCloseTo(280 * 26, 6); // a sum of fractions of rows
  expect(geometry.set(1, { heads: 25, changes: 100, plain: 125 })).toBe(false);
});

it("does not take what is folded away for heads of other windows", () => {
  const geometry = new Geometry(200, 100, SAME, 220);
  geometry.set(0, { heads: 10, changes: 100, plain: 110 });
  geometry.set(0, { heads: 10, changes: 60, plain: 110 });
  expect(geometry.lines(2)).toBe(180);
});

it("finds the window of a pixel and the pixel of a row", () => {
  const geometry = new Geometry(250, 100, { head: 36, change: 72 }, 250);
  expect([0, 7199, 7200, 14_399, 14_400, 99_999].map((y) => geometry.at(y))).toEqual([0, 0, 1, 1, 2, 2]);
  expect(geometry.topOfRow(225)).toBe(225 * 72);
  geometry.setHeights(SAME);
  expect(geometry.topOfRow(225)).toBe(225 * 26);
});

it("is empty without rows", () => {
  const geometry = new Geometry(0, 100, SAME, 0);
  expect([geometry.height, geometry.at(10), geometry.windows]).toEqual([0, 0, 0]);
});
