import { describe, expect, it } from "vitest";

import { lineAt, lines } from "./lines";

const encoder = new TextEncoder();

function cut(text: string): string[] {
  const bytes = encoder.encode(text);
  const { start } = lines(bytes);
  return Array.from({ length: start.length - 1 }, (_, i) =>
    new TextDecoder().decode(bytes.subarray(start[i], start[i + 1])),
  );
}

describe("lines", () => {
  it("are the stored ones where these are short", () => {
    expect(cut('{\n  "a": 1\n}')).toEqual(["{\n", '  "a": 1\n', "}"]);
    expect(cut("1\n\n")).toEqual(["1\n", "\n"]);
  });

  it("fold long ones between characters, and lose nothing", () => {
    const text = `["${"é😀x".repeat(500)}"]\n[]`;
    const found = cut(text);
    expect(found.join("")).toBe(text);
    expect(Math.max(...found.map((line) => encoder.encode(line).length))).toBeLessThanOrEqual(180);
    expect(found.some((line) => line.includes("\ufffd"))).toBe(false);
    const { number } = lines(encoder.encode(text));
    expect([number[0], number.at(-2), number.at(-1)]).toEqual([1, 1, 2]);
  });

  it("finds the line of a byte", () => {
    const all = lines(encoder.encode("a\nbb\nc"));
    expect([0, 1, 2, 4, 5].map((byte) => lineAt(all, byte))).toEqual([0, 0, 1, 1, 2]);
  });
});
