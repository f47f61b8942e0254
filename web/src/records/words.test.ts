import { expect, test } from "vitest";
import type { Version } from "./data.ts";
import { comparableBefore, contentOf } from "./words.ts";

const version = (number: number, more: Partial<Version> = {}): Version => ({
  record_id: "r",
  operation: "upsert",
  version: number,
  kind: "json",
  ...more,
});

const HISTORY = [
  version(9),
  version(8),
  version(7, { operation: "delete" }),
  version(6),
  version(4, { kind: "encrypted" }),
  version(2),
];

test.each([
  [9, 8],
  [8, null],
  [7, null],
  [6, null],
  [4, null],
  [2, null],
  [1, null],
])("version %i is compared with %s", (number, before) => {
  expect(comparableBefore(HISTORY, number)).toBe(before);
});

test.each([
  [version(1), "json"],
  [version(1, { operation: "delete" }), "deleted"],
  [version(1, { kind: "encrypted" }), "encrypted"],
  [{ operation: "upsert", encrypted: "aGk=" } as const, "encrypted"],
])("%o", (given, content) => {
  expect(contentOf(given)).toBe(content);
});
