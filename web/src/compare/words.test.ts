import { describe, expect, it } from "vitest";
import { cutToLine, escaped, side, type TextRun } from "./words.ts";

const RUNS: TextRun[] = [
  ["=", "M 6."],
  ["-", "4"],
  ["+", "5"],
  ["=", " - "],
  ["-", "81"],
  ["+", "88"],
  ["=", " km"],
];

it("gives each side its own words", () => {
  expect(
    side(RUNS, "-")
      .map((piece) => piece.text)
      .join(""),
  ).toBe("M 6.4 - 81 km");
  expect(
    side(RUNS, "+")
      .filter((piece) => piece.sign === "+")
      .map((piece) => piece.text),
  ).toEqual(["5", "88"]);
});

it.each([
  ["a\nb", "a\\nb"],
  ['say "x"', 'say "x"'],
  ["\u0000", "\\u0000"],
])("writes %j in a line", (text, expected) => {
  expect(escaped(text)).toBe(expected);
});

describe("cutToLine", () => {
  const shown = (text: TextRun[], most: number) =>
    cutToLine(side(text, "+"), most)
      .map(({ sign, text: own }) => (sign === "=" ? own : `[${own}]`))
      .join("");

  it.each<[string, TextRun[], number, string]>([
    [
      "a short text whole",
      [
        ["=", "abc"],
        ["+", "d"],
      ],
      10,
      "abc[d]",
    ],
    [
      "around a late change",
      [
        ["=", "x".repeat(100)],
        ["+", "new"],
        ["=", "y".repeat(100)],
      ],
      40,
      `…${"x".repeat(24)}[new]${"y".repeat(13)}…`,
    ],
    [
      "the end of a change at the end",
      [
        ["=", "x".repeat(100)],
        ["+", "new"],
      ],
      40,
      `…${"x".repeat(37)}[new]`,
    ],
    ["a long change from its beginning", [["+", "n".repeat(100)]], 10, `[${"n".repeat(10)}]…`],
    ["without a change the beginning", [["=", "x".repeat(20)]], 5, "xxxxx…"],
    ["no half of a character", [["+", "😀".repeat(10)]], 5, "[😀😀]…"],
  ])("shows %s", (_, runs, most, expected) => {
    expect(shown(runs, most)).toBe(expected);
  });
});
