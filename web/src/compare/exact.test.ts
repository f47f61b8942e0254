import { describe, expect, it } from "vitest";
import { leaves, parseKeeping } from "./exact.ts";

const KEPT = new Set(["old", "new"]);

describe("parseKeeping", () => {
  it.each([
    ['{"old":1.0,"n":1.0}', { old: "1.0", n: 1 }],
    ['{"old":123456789012345678901234567890}', { old: "123456789012345678901234567890" }],
    ['{ "old" : { "a": [1, "}"] } , "x": 1 }', { old: '{ "a": [1, "}"] }', x: 1 }],
    ['{"old":"a\\"b\\\\","new":null}', { old: '"a\\"b\\\\"', new: "null" }],
    ['{"text":"\\"old\\":1","new":[]}', { text: '"old":1', new: "[]" }],
    ['{"old":{"old":1e400,"new":2},"new":-0}', { old: '{"old":1e400,"new":2}', new: "-0" }],
    ['["old","new"]', ["old", "new"]],
    ['{"rows":[{"old":false},{"new":""}]}', { rows: [{ old: "false" }, { new: '""' }] }],
  ])("%s", (text, expected) => {
    expect(parseKeeping(text, KEPT)).toEqual(expected);
  });
});

describe("leaves", () => {
  it.each([
    ["1.50", [["", "1.50"]]],
    [
      '{"a":{"b":1.0,"c":[]},"d":[true,{"e":"x"}]}',
      [
        ["a/b", "1.0"],
        ["a/c", "[]"],
        ["d/0", "true"],
        ["d/1/e", '"x"'],
      ],
    ],
    [
      ' { "a/b" : { } , "~" : [ [ 1 , 2 ] , 3 ] } ',
      [
        ["a~1b", "{}"],
        ["~0/0/0", "1"],
        ["~0/0/1", "2"],
        ["~0/1", "3"],
      ],
    ],
    [
      '{"a":1,"a":2}',
      [
        ["a", "1"],
        ["a", "2"],
      ],
    ],
    ["[]", [["", "[]"]]],
    ['{"\\u0041":"]}"}', [["A", '"]}"']]],
  ])("%s", (text, expected) => {
    expect(leaves(text, 100)).toEqual({
      leaves: expected.map(([path, value]) => ({ path, text: value })),
      complete: true,
    });
  });

  it("stops at the number asked for, and says so", () => {
    const found = leaves("[1,2,3]", 2);
    expect(found.leaves).toHaveLength(2);
    expect(found.complete).toBe(false);
  });
});
