import { expect, it } from "vitest";
import { Geometry } from "./geometry.ts";

const SAME = { head: 26, change: 26 };

it("takes what is not known to be like what is", () => {
  const geometry = new Geometry(1000, 100, SAME, null);
  expect(geometry.height).toBe(26_000);
  geometry.set(0, { heads: 20, changes: 100 });
  expect(geometry.lines(1)).toBe(120);
  expect(geometry.lines(10)).toBe(1200);
  expect(geometry.set(0, { heads: 20, changes: 100 })).toBe(false);
});

it("has the exact number of lines at once where the server tells it", () => {
  const geometry = new Geometry(250, 100, SAME, 30);
  expect(geometry.lines(3)).toBe(280);
  geometry.set(1, { heads: 25, changes: 100 });
  expect(geometry.lines(3)).toBe(280);
});

it("finds the window of a pixel and the pixel of a row", () => {
  const geometry = new Geometry(250, 100, { head: 36, change: 72 }, 0);
  expect([0, 7199, 7200, 14_399, 14_400, 99_999].map((y) => geometry.at(y))).toEqual([0, 0, 1, 1, 2, 2]);
  expect(geometry.topOfRow(225)).toBe(225 * 72);
  geometry.setHeights(SAME);
  expect(geometry.topOfRow(225)).toBe(225 * 26);
});

it("is empty without rows", () => {
  const geometry = new Geometry(0, 100, SAME, null);
  expect([geometry.height, geometry.at(10), geometry.windows]).toEqual([0, 0, 0]);
});
