import { describe, expect, it } from "vitest";
import { marked, type SnapshotItem, usualGap, versionsOf } from "./versions.ts";

const snapshot = (id: string, at: string, size_bytes = 10, unchanged = false): SnapshotItem => ({
  id,
  captured_at: at,
  size_bytes,
  unchanged,
  source: null,
});
const delta = (id: string, kind: string, replaced = 0) => ({ id, kind, added: 0, removed: 0, replaced, moved: 0 });

describe("versionsOf", () => {
  const list = [
    snapshot("e", "2025-05-22T05:00:00Z", 14),
    snapshot("d", "2025-05-22T04:00:00Z", 12),
    snapshot("c", "2025-05-22T03:00:00Z", 12, true),
    snapshot("b", "2025-05-22T02:00:00Z", 12),
    snapshot("a", "2025-05-21T00:00:00Z"),
  ];
  const deltas = [delta("d", "reorder"), delta("b", "content", 3)];

  it("says what each is, and what it is apart", () => {
    const versions = versionsOf(list, deltas, true);
    expect(versions.map(({ kind }) => kind)).toEqual(["waiting", "reorder", "same", "content", "first"]);
    expect(versions.map(({ gapMs }) => gapMs)).toEqual([3_600_000, 3_600_000, 3_600_000, 93_600_000, null]);
    expect(versions.map(({ grownBytes }) => grownBytes)).toEqual([2, 0, 0, 2, null]);
    expect(versions[3]?.counts).toEqual({ add: 0, remove: 0, replace: 3, move: 0 });
    expect(usualGap(versions)).toBe(3_600_000);
  });

  it("takes the last of a page for no first version", () => {
    expect(versionsOf(list.slice(0, 4), deltas, false).at(-1)?.kind).toBe("content");
  });
});

it.each([
  [{ a: null, b: null }, "a" as const, "x", { a: "x", b: null }],
  [{ a: "x", b: null }, "a" as const, "x", { a: null, b: null }],
  [{ a: "x", b: null }, "b" as const, "x", { a: null, b: "x" }],
  [{ a: "x", b: "y" }, "a" as const, "z", { a: "z", b: "y" }],
])("of %j %s on %s makes %j", (marks, letter, id, expected) => {
  expect(marked(marks, letter, id)).toEqual(expected);
});
