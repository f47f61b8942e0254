import { describe, expect, it } from "vitest";

import type { Bar } from "../time/bars";
import { stepped } from "./player";

const kinds = ["first", "content", "format", "content", "reorder", "content"];
const bars = kinds.map(
  (kind, i): Bar => ({ ms: i * 10, id: `v${i}`, kind, versions: 1, added: 0, removed: 0, replaced: 0, moved: 0 }),
);

describe("stepped", () => {
  it.each([
    ["to the next change", 10, 1, false, "v3"],
    ["to the change before", 30, -1, false, "v1"],
    ["from between two", 15, 1, false, "v3"],
    ["from between two, back", 15, -1, false, "v1"],
    ["to the first version, which changed nothing", 10, -1, false, "v0"],
    ["to a version of any kind", 10, 1, true, "v2"],
    ["ten on, as far as there are", 0, 10, false, "v5"],
    ["ten back", 50, -10, false, "v0"],
  ])("%s", (_, ms, count, any, id) => {
    expect(stepped(bars, ms, count, any)?.id).toBe(id);
  });

  it.each([
    [50, 1],
    [0, -1],
  ])("from %i by %i there is none", (ms, count) => {
    expect(stepped(bars, ms, count, false)).toBeNull();
  });
});
