import { expect, test } from "vitest";
import { bytes, count, counted, percent, short } from "./numbers.ts";

const plain = (text: string) => text.replaceAll("\u00a0", " ");

test.each([
  [0, "0 B"],
  [211, "211 B"],
  [999, "999 B"],
  [1000, "1 kB"],
  [53_140, "53.1 kB"],
  [99_960, "100 kB"],
  [216_200, "216 kB"],
  [999_600, "1 MB"],
  [24_800_000, "24.8 MB"],
  [3.5e15, "3.5 PB"],
  [2e18, "2,000 PB"],
])("%d bytes", (value, text) => expect(plain(bytes(value))).toBe(text));

test.each([
  [0, "0 %"],
  [0.0027, "0.27 %"],
  [0.045, "4.5 %"],
  [0.983, "98 %"],
  [1, "100 %"],
  [0.0000041, "0.00041 %"],
])("a share of %d", (value, text) => expect(plain(percent(value))).toBe(text));

test.each([
  ["-12.345", "-12.345"],
  ["1748124112000", "1.748T"],
  ["0.00012345678", "0.0001235"],
])("%s where there is little room", (text, shown) => expect(short(text)).toBe(shown));

test("counts carry their word", () => {
  expect(count(1100)).toBe("1,100");
  expect([counted(1, "endpoint"), counted(0, "endpoint"), counted(2, "reply", "replies")]).toEqual([
    "1 endpoint",
    "0 endpoints",
    "2 replies",
  ]);
});
