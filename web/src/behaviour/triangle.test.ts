import { expect, it } from "vitest";
import { averages, cohortsOf, shadeOf } from "./triangle.ts";

const row = (cohort: string, period: number, size: number, users: number, complete = true) => ({
  cohort,
  period,
  size,
  users,
  share: users / size,
  complete,
});

it("puts periods beside their cohort, and leaves out of the mean what is not over", () => {
  const cohorts = cohortsOf([row("a", 0, 10, 10), row("a", 1, 10, 5), row("b", 0, 30, 30), row("b", 1, 30, 1, false)]);
  expect(cohorts.map(({ at, size, cells }) => [at, size, cells.length])).toEqual([
    ["a", 10, 2],
    ["b", 30, 2],
  ]);
  expect(averages(cohorts)).toEqual([1, 0.5]);
  expect(averages([])).toEqual([]);
});

it("shades a little of something, and nothing of nothing", () => {
  expect([0, 0.001, 0.5, 1].map(shadeOf)).toEqual([0, 1, 5, 9]);
});
