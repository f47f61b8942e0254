import { expect, test } from "vitest";
import { notes } from "./notes.ts";

const META = {
  source: "rollups",
  rows_scanned: 2,
  approximate: { p95_duration: 0.01 },
  complete_from: {},
  complete_to: {},
  merges_pending: false,
  took_ms: 3.4,
  has_more: false,
  next_cursor: null,
} as const;

test.each([
  [["count"], " · 2 rows read in 3 ms"],
  [["p95_duration"], " · an estimate, within 1\u00a0% · 2 rows read in 3 ms"],
  [["count", "p95_duration"], " · p95 of duration: an estimate, within 1\u00a0% · 2 rows read in 3 ms"],
])("%s", (metrics, words) => {
  expect(notes(META as unknown as Parameters<typeof notes>[0], metrics)).toBe(words);
});
