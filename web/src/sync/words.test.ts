import { expect, test } from "vitest";
import { lagText, uploadText } from "./words.ts";

test.each([
  ["ok", { changes: 0, seconds: 0 }, "up to date"],
  ["behind", { changes: 1, seconds: 120 }, "1 change behind, for 2 min"],
  ["behind", { changes: 1000, seconds: 345_600 }, "1,000 changes and more behind, for 4 days"],
  ["unknown", null, "has not said how far it is"],
  ["resync", { changes: 3, seconds: 60 }, "will resync: it was away for longer than deletions are kept"],
] as const)("%s %o", (state, lag, said) => {
  expect(lagText({ state, lag })).toBe(said);
});

const UPLOAD = { upload_id: "u1", state: "open", lines: 2000, bytes: 640_000, staged_lines: 500, message: null };

test.each([
  ["open", null, "uploads u1: 2,000 lines (640 kB) so far"],
  ["committing", null, "upload u1 becomes visible: 25 % of 2,000 lines (640 kB)"],
  ["refused", "too many", "upload u1 of 2,000 lines (640 kB) was refused: too many"],
] as const)("an upload that is %s", (state, message, said) => {
  expect(uploadText({ ...UPLOAD, state, message, touched_at: "" }).replaceAll("\u00a0", " ")).toBe(said);
});
