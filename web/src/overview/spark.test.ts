import { expect, test } from "vitest";
import { AXIS, HEIGHT, mostOf, sparkBars, WIDTH } from "./spark.ts";

test("bars stay within their picture, whatever the numbers", () => {
  const bars = sparkBars([
    [1, 0],
    [0, 0],
    [1e9, 3],
    [5, 1e6],
  ]);
  expect(bars).toHaveLength(5);
  for (const bar of bars) {
    expect(bar.x + bar.width).toBeLessThanOrEqual(WIDTH);
    expect(bar.y).toBeGreaterThanOrEqual(0);
    expect(bar.y + bar.height).toBeLessThanOrEqual(HEIGHT);
    expect(bar.down ? bar.y >= AXIS : bar.y + bar.height <= AXIS).toBe(true);
  }
});

test("a small change is seen beside a large one", () => {
  const [small] = sparkBars([
    [1, 0],
    [1e9, 0],
  ]);
  expect(small?.height).toBeGreaterThan(1);
});

test("nothing is drawn of nothing", () => {
  expect(sparkBars([])).toEqual([]);
  expect(sparkBars([[0, 0]])).toEqual([]);
  expect(mostOf([])).toBe(0);
  expect(
    mostOf([
      [2, 3],
      [4, 0],
    ]),
  ).toBe(5);
});
