import { expect, test } from "vitest";
import { noiseText, wasText } from "./noise.ts";

const FIELD = { pattern: "/a", differs: 0, of: 1, bytes: 4, noise: false, same: false, first: null };

test.each([
  ["a value that stays", {}, "steady"],
  ["one that all records share", { of: 138, same: true }, "same in all 138"],
  ["a new one", { differs: 1, noise: true }, "new each time"],
  ["a new one in all records", { of: 3, differs: 3, noise: true }, "new in all 3"],
  ["a new one in some", { of: 138, differs: 3, noise: true }, "in 3 of 138"],
])("%s is said so", (_, part, text) => {
  const field = { ...FIELD, ...part };
  expect(noiseText(field, false)).toEqual({ text, isNoise: field.noise });
});

test("a key stays whatever its values are", () => {
  expect(noiseText({ ...FIELD, of: 3, same: true }, true).text).toBe("the key");
  expect(noiseText(undefined, true).text).toBe("the key");
});

test("the first try's value stands where it was another, and nowhere else", () => {
  const field = { ...FIELD, pattern: "/rows/*/at", differs: 2, of: 3, first: { path: "/rows/1/at", before: 7 } };
  expect(wasText(field, "/rows/1/at")).toBe("7");
  expect(wasText(field, "/rows/2/at")).toBeNull();
  expect(wasText({ ...field, first: { path: "", before: "<b>" } }, "")).toBe("<b>");
  expect(wasText(undefined, "")).toBeNull();
});
