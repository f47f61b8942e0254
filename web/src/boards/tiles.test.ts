import { expect, it } from "vitest";
import { columnsOf, drawn, moved, numbersOf, resized, type TileAnswer } from "./tiles.ts";

const answer = (rows: TileAnswer["rows"]): TileAnswer => ({ kind: "explorer", columns: null, rows });

it("moves a tile before another, and not beyond the ends", () => {
  expect(moved(["a", "b", "c"], 0, 1)).toEqual(["b", "a", "c"]);
  expect(moved(["a", "b", "c"], 2, 0)).toEqual(["c", "a", "b"]);
  expect(moved(["a", "b", "c"], 2, 9)).toEqual(["a", "b", "c"]);
  expect(moved(["a", "b"], 7, 0)).toEqual(["a", "b"]);
});

it("makes it wider and narrower, within bounds", () => {
  const tile = { id: "a", width: 3, height: 1 };
  expect(resized(tile, 1, 1)).toEqual({ id: "a", width: 3, height: 2 });
  expect(resized(tile, -5, -5)).toEqual({ id: "a", width: 1, height: 1 });
});

it("finds out what an answer is drawn as", () => {
  expect(numbersOf(answer([{ count: 5, previous: { count: 4 } }]))).toEqual([{ name: "count", value: 5 }]);
  expect(numbersOf(answer([{ source: "web", count: 5 }]))).toBeNull();
  expect(drawn(answer([{ time: "2026-05-01T00:00:00.000Z", count: 5 }]))?.kind).toBe("times");
  expect(drawn(answer([{ source: "web", count: 5 }]))?.kind).toBe("bars");
  expect(columnsOf(answer([]))).toEqual([]);
});
