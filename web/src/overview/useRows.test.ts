import { expect, test } from "vitest";
import { rowsAt } from "./useRows.ts";

test.each([
  ["above the table", -500, 0],
  ["at its begin", 0, 0],
  ["within", 30_000, 453],
  ["below its end", 200_000, 999],
])("%s", (_name, top, first) => {
  const rows = rowsAt(1000, { top, view: 900, row: 65 });
  expect(rows.first).toBe(first);
  expect(rows.end - rows.first).toBeLessThan(40);
  expect(rows.before + rows.after + (rows.end - rows.first) * 65).toBe(65_000);
});
