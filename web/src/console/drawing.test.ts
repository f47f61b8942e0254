import { expect, it } from "vitest";
import { drawingOf } from "./drawing.ts";

const of = (...types: string[]) => types.map((type, i) => ({ name: "abcdef"[i] as string, type }));

it("draws numbers along times, in order, in UTC", () => {
  const rows = [
    { a: "2026-05-02", b: 2, c: "9007199254740990" },
    { a: "2026-05-01 00:00:00+00:00", b: 1, c: null },
    { a: null, b: 3, c: "1" },
  ];
  const drawing = drawingOf(of("TIMESTAMP WITH TIME ZONE", "BIGINT", "HUGEINT"), rows);
  expect(drawing).toMatchObject({
    kind: "times",
    plot: {
      timesMs: [Date.UTC(2026, 4, 1), Date.UTC(2026, 4, 2)],
      lines: [
        { name: "b", values: [1, 2] },
        { name: "c", values: [null, 9007199254740990] },
      ],
    },
  });
  const bare = drawingOf(of("TIMESTAMP", "DOUBLE"), [{ a: "2026-05-01 12:00:00", b: 1 }]);
  expect(bare).toMatchObject({ plot: { timesMs: [Date.UTC(2026, 4, 1, 12)] } });
});

it("draws bars by a text, and nothing where there is no number or nothing beside it", () => {
  const bars = drawingOf(of("VARCHAR", "BIGINT"), [
    { a: null, b: 2 },
    { a: "x", b: 1 },
  ]);
  expect(bars).toMatchObject({
    kind: "bars",
    rows: [
      { label: "", value: 2 },
      { label: "x", value: 1 },
    ],
  });
  expect(drawingOf(of("VARCHAR", "INTERVAL"), [{ a: "x", b: "1 day" }])).toBeNull();
  expect(drawingOf(of("BIGINT"), [{ a: 1 }])).toBeNull();
  expect(drawingOf(of("VARCHAR", "BIGINT"), [])).toBeNull();
});
