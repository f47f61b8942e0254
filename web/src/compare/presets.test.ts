import { expect, it } from "vitest";
import type { End } from "./Moments.tsx";
import { presetsOf } from "./presets.ts";

const end = (ms: number, more: Partial<End> = {}): End => ({
  id: "x",
  ms,
  bytes: 1,
  number: null,
  previousChange: 7,
  nextChange: null,
  ...more,
});
const DAY = 86_400_000;

it("offers moments before B, none before the first version", () => {
  const ends = { a: end(0), b: end(3 * DAY) };
  const found = presetsOf({ ends, firstMs: DAY, lookedMs: null }, "a").map(({ moment }) => moment);
  expect(found).toEqual([
    { kind: "time", ms: 7 },
    { kind: "time", ms: 2 * DAY },
    { kind: "time", ms: DAY },
    { kind: "time", ms: DAY },
    null,
  ]);
});

it("offers the latest for B, and the change after it where there is one", () => {
  const ends = { a: end(0), b: end(1, { nextChange: 9 }) };
  expect(presetsOf({ ends, firstMs: 0, lookedMs: 5 }, "b").map(({ moment }) => moment)).toEqual([
    { kind: "latest" },
    { kind: "time", ms: 9 },
  ]);
});
