import { describe, expect, it } from "vitest";
import { difference, distance, span, timeOf } from "./numbers.ts";

describe("difference", () => {
  it.each([
    ["6.1", "6.2", "+0.1"],
    ["5.5", "5.2", "−0.3"],
    ["127", "131", "+4"],
    ["-3.8503", "-3.7535", "+0.0968"],
    ["0.1", "0.3", "+0.2"],
    ["9007199254740993", "9007199254740992", "−1"],
    ["1e3", "1.5e3", "+500"],
    ["1E-3", "0", "−0.001"],
    ["100", "1000", "+900"],
    ["1", "1.0", null],
    ["1", '"2"', null],
    ["null", "2", null],
    ["1e400", "2", null],
    ["123456789012345678901234567890", "1", null],
    ["1e30", "2e30", null],
  ])("%s to %s is %s", (a, b, expected) => {
    expect(difference(a, b)).toBe(expected);
  });
});

describe("timeOf", () => {
  it.each([
    ["properties/time", "1747753558710", 1747753558710],
    ["createdAt", "1747753558", 1747753558000],
    ["ts", "1747753558.5", 1747753558500],
    ["at", '"2025-05-22T05:03:08Z"', Date.UTC(2025, 4, 22, 5, 3, 8)],
    ["place", '"2025-05-22T05:03:08+02:00"', Date.UTC(2025, 4, 22, 3, 3, 8)],
    ["count", "1747753558710", null],
    ["time", "12", null],
    ["time", "9747753558710", null],
    ["at", '"tomorrow"', null],
    ["at", '"2025-13-45T99:99:99Z"', null],
  ])("%s: %s", (field, text, expected) => {
    expect(timeOf(field, text)).toBe(expected);
  });
});

it.each([
  [0, "0 ms"],
  [999, "999 ms"],
  [61_000, "1 min 1 s"],
  [95_700_000, "26 h 35 min"],
  [3_600_000, "1 h"],
  [788_400_000, "9 d 3 h"],
])("span of %s", (ms, expected) => {
  expect(span(ms)).toBe(expected);
});

it("tells the direction of a distance", () => {
  expect(distance(1000, 3000)).toBe("+2 s");
  expect(distance(3000, 1000)).toBe("−2 s");
  expect(distance(5, 5)).toBe("");
});
