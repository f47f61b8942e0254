import { expect, it } from "vitest";
import { placeOf } from "./place.ts";

it.each([
  ["selec 1", 'sql cannot be read at line 1, column 1: syntax error at or near "selec"', "selec"],
  ["select 'ü😀',\n 1 +", 'sql cannot be read at line 2, column 4: syntax error at or near "+"', "+"],
  ["select '😀' frm x y", "sql cannot be read at line 1, column 16: syntax error", "x"],
  ["select (", "sql cannot be read at line 1, column 9: syntax error", "("],
  ["select foo, X from events", 'sql: Referenced column "x" not found in FROM clause!', "X"],
  ["select x from evnts", 'sql: there is no table "evnts" (events?); there are events', "evnts"],
  ["select exact, ex", 'column "ex" not found', "ex"],
])("%s is refused at its place", (text, message, marked) => {
  const place = placeOf(text, message);
  expect(place && text.slice(place.from, place.to)).toBe(marked);
});

it("marks nothing where the text has no such word, and not the middle of one", () => {
  expect(placeOf("select 1", 'no "x"')).toBeNull();
  expect(placeOf("select exact", 'no "ex"')).toBeNull();
  expect(placeOf("", "sql is empty")).toBeNull();
  expect(placeOf("", "at line 1, column 1")).toEqual({ from: 0, to: 0 });
});
