import { expect, test } from "vitest";
import { type BlamedLeaf, wasOf } from "./since";

const before = { snapshot_id: "s", captured_at: "2026-01-01T00:00:00Z" };

test.each<[BlamedLeaf["previous"], string]>([
  [undefined, ""],
  [null, ""],
  [before, "not there before"],
  [{ ...before, value: "12345678901234567890.50" }, "was 12345678901234567890.50"],
  [{ ...before, value: '"<b>"' }, 'was "<b>"'],
  [{ ...before, value: "[1,2", cut: true }, "was [1,2…"],
  [{ ...before, value: `"${"🦊".repeat(100)}"` }, `was "${"🦊".repeat(59)}…`],
])("%j was before", (previous, text) => {
  expect(wasOf({ path: "/a", snapshot_id: "t", captured_at: "2026-01-02T00:00:00Z", previous })).toBe(text);
});
