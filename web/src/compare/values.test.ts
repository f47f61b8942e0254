import { describe, expect, it } from "vitest";
import type { Row } from "./lines.ts";
import { chipName, hintsOf, inlineOf, inSeveralArrays, kindOf, sideOf, stepsOf } from "./values.ts";

const change = (old: string | undefined, now: string | undefined, more: Partial<Row> = {}): Row => ({
  n: 0,
  op: "replace",
  field: "/x",
  record: "",
  at: "x",
  ...(old === undefined ? {} : { old }),
  ...(now === undefined ? {} : { new: now }),
  ...more,
});
const text = (pieces: { sign: string; text: string }[]) =>
  pieces.map((one) => (one.sign === "=" ? one.text : `[${one.sign}${one.text}]`)).join("");

describe("values in a line", () => {
  it.each<[string, Row, string, string, string]>([
    ["a number", change("6.10", "6.2"), "[-6.10]", "[+6.2]", "[-6.10] → [+6.2]"],
    ["what came", change(undefined, "null", { op: "add" }), "", "[+null]", "[+null]"],
    [
      "a text by its words",
      change('"M 4\\n"', '"M 5\\n"', {
        text: [
          ["=", "M "],
          ["-", "4"],
          ["+", "5"],
          ["=", "\n"],
        ],
      }),
      '"M [-4]\\n"',
      '"M [+5]\\n"',
      '"M [-4][+5]\\n"',
    ],
  ])("%s", (_, row, old, now, both) => {
    expect([text(sideOf(row, "-")), text(sideOf(row, "+")), text(inlineOf(row))]).toEqual([old, now, both]);
  });
});

it.each<[Row, string, string]>([
  [change("6.1", "6.2"), "", "+0.1"],
  [change('"a"', '"b"'), "", ""],
  [change("1747753558710", "1747753618710", { field: "/time" }), "1747753558710!", "1747753618710!  +1 min"],
  [change('"2025-05-22T05:00:00Z"', '"2025-05-22T06:00:00Z"'), "", "+1 h"],
  [change(undefined, "1747753618710", { field: "/time" }), "", "1747753618710!"],
])("says what %j means", (row, old, now) => {
  expect(hintsOf(row, (ms) => `${ms}!`)).toEqual({ old, new: now });
});

it.each([
  ["properties/mag", "properties/", "mag"],
  ["/metadata/a~1b", "metadata/", "a/b"],
  ["", "", ""],
])("reads the path %s", (at, lead, last) => {
  expect(stepsOf(at)).toEqual({ lead, last });
});

it.each([
  ["/features/*/properties/mag", "properties/", "mag"],
  ["/features/*", "", "records"],
  ["/*", "", "elements"],
  ["/metadata/count", "metadata/", "count"],
  ["/features/*/geometry/coordinates/*", "geometry/coordinates/", "*"],
  ["", "", "document"],
])("names the field %s", (pattern, lead, last) => {
  expect(chipName(pattern)).toEqual({ lead, last });
});

it("names the array too where there are several", () => {
  expect(chipName("/data/Incidents/*", true)).toEqual({ lead: "Incidents/", last: "records" });
  expect(chipName("/Incidents/*/at/day", true)).toEqual({ lead: "Incidents/at/", last: "day" });
  expect(chipName("/count", true)).toEqual({ lead: "", last: "count" });
  expect(inSeveralArrays(["/a/*/x", "/a/*", "/count"])).toBe(false);
  expect(inSeveralArrays(["/a/*/x", "/b/*"])).toBe(true);
});

it.each([
  ['"a"', "str"],
  ["-1", "num"],
  ["{}", "lit"],
  ["true", "lit"],
])("%s is %s", (value, kind) => {
  expect(kindOf(value)).toBe(kind);
});
