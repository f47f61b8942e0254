import { expect, it } from "vitest";
import { flowOf, movesOf } from "./flow.ts";

const MOVES = movesOf([
  { step: 1, from: "signup", to: "page", users: 3, times: 30 },
  { step: 1, from: "signup", to: null, users: 1, times: 10 },
  { step: 2, from: "page", to: "page", users: 2, times: 20 },
]);

it("puts values into columns, each as high as its moves are many", () => {
  const { nodes, bands } = flowOf(MOVES);
  expect(nodes.map(({ column, name, times }) => [column, name, times])).toEqual([
    [0, "signup", 40],
    [1, "page", 30],
    [1, "nothing", 10],
    [2, "page", 20],
  ]);
  expect(nodes[0]?.height).toBe(420);
  expect(bands.map(({ width, fromY }) => [width, fromY])).toEqual([
    [315, 4 + 157.5],
    [105, 4 + 315 + 52.5],
    [210, 4 + 105],
  ]);
});

it("draws nothing of nothing", () => {
  expect(flowOf([])).toEqual({ nodes: [], bands: [], height: 40 });
});
