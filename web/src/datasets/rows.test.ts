import { describe, expect, it } from "vitest";
import { type DeltaRow, keyText, members, taken } from "./rows.ts";

const LINES = [
  '{"op":"progress","rows_before":1}',
  '{"op":"remove","key":{"id":1},"before":{"id":1}}',
  '{"op":"change","key":{"id":2},"before":{"id":2,"a":1,"b":"x"},"after":{"id":2,"a":2,"b":"x"}}',
  '{"op":"add","key":{"id":3},"after":{"id":3}}',
];

describe("rows of a delta", () => {
  it("takes those of a kind, and one more than are shown", () => {
    const rows: DeltaRow[] = [];
    expect(taken(rows, LINES, null, 1)).toBe(false);
    expect(rows.map(({ op }) => op)).toEqual(["remove", "change"]);
    const added: DeltaRow[] = [];
    expect(taken(added, [...LINES, '{"op":"end","summary":{}}', ""], "add", 9)).toBe(true);
    expect(added.map(({ key }) => keyText(key))).toEqual(["3"]);
  });

  it("shows the members that differ", () => {
    expect(members(JSON.parse(LINES[2] as string))).toEqual([{ name: "a", before: "1", after: "2" }]);
    expect(members(JSON.parse(LINES[3] as string))).toEqual([{ name: "id", before: undefined, after: "3" }]);
    expect(members({ op: "add", key: null, after: [1] })).toEqual([{ name: "", before: undefined, after: "[1]" }]);
  });

  it.each([
    [{ a: "x", b: 2 }, "x, 2"],
    [null, ""],
    [undefined, ""],
    ["k", "k"],
  ])("says the key %j", (key, text) => expect(keyText(key)).toBe(text));
});
