import { expect, test } from "vitest";
import { fold, placeOf } from "./folding.ts";

test.each([
  ["Eloúnda", "elounda"],
  ["CAFE\u0301", "cafe"],
  ["ΝΆΞΟΣ", "ναξοσ"],
  ["νάξος", "ναξοσ"],
  ["Malmø", "malmo"],
  ["東京が", "東京が"],
  ["한국", "한국"],
])("%s is compared as %s", (text, folded) => {
  expect(fold(text)).toBe(folded);
});

test.each([
  ["the Eloúnda Bay", "ELOUNDA", "Eloúnda"],
  ["cafe\u0301s", "cafe", "cafe\u0301"],
  ["😀 Málaga", "alá", "ála"],
  ["plain", "LAI", "lai"],
])("in %s, %s marks %s", (text, sought, marked) => {
  const [from, to] = placeOf(text, sought) as [number, number];
  expect(text.slice(from, to)).toBe(marked);
});

test.each([
  ["Eloúnda", "crete"],
  ["Eloúnda", ""],
])("%s has no %s", (text, sought) => {
  expect(placeOf(text, sought)).toBeNull();
});
