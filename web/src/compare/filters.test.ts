import { describe, expect, it } from "vitest";
import { EVERYTHING, filterOf, isFiltered, type Op, setFilter, showsOp, toggleField, toggleOp } from "./filters.ts";

const PRESENT: Op[] = ["add", "remove", "replace"];

describe("the address", () => {
  it.each([
    ["", ""],
    ["ops=add%2Cremove", "ops=add%2Cremove"],
    ["ops=move,add,nonsense", "ops=add%2Cmove"],
    ["ops=add,remove,replace,move", ""],
    ["field=%2Fa%2F*%2Fb&field=%2Fc&field=", "field=%2Fa%2F*%2Fb&field=%2Fc"],
    ["field=/a&field=/a&find=gre+ece", "field=%2Fa&find=gre+ece"],
  ])("%s is kept as %s", (given, kept) => {
    const query = new URLSearchParams();
    setFilter(query, filterOf(new URLSearchParams(given)));
    expect(query.toString()).toBe(kept);
  });

  it("leaves other options alone", () => {
    const query = new URLSearchParams("a=1&ops=add&view=inline");
    setFilter(query, EVERYTHING);
    expect(query.toString()).toBe("a=1&view=inline");
  });
});

describe("chips of kinds", () => {
  const after = (...clicks: [Op, boolean?][]) =>
    clicks.reduce((filter, [op, only]) => toggleOp(filter, op, PRESENT, only ?? false), EVERYTHING).ops;

  it.each<[string, [Op, boolean?][], Op[]]>([
    ["a click hides a kind", [["add"]], ["remove", "replace", "move"]],
    ["another click shows it again", [["add"], ["add"]], []],
    ["the last one shown brings all back", [["add"], ["remove"], ["replace"]], []],
    ["only this", [["remove", true]], ["remove"]],
    [
      "only this, twice, is all",
      [
        ["remove", true],
        ["remove", true],
      ],
      [],
    ],
    [
      "only another",
      [
        ["remove", true],
        ["add", true],
      ],
      ["add"],
    ],
    ["one more beside only this", [["remove", true], ["add"]], ["add", "remove"]],
  ])("%s", (_, clicks, ops) => {
    expect(after(...clicks)).toEqual(ops);
  });
});

it("chips of fields add up, and Alt takes one alone", () => {
  const one = toggleField(EVERYTHING, "/a", false);
  const two = toggleField(one, "/b", false);
  expect(two.fields).toEqual(["/a", "/b"]);
  expect(toggleField(two, "/a", false).fields).toEqual(["/b"]);
  expect(toggleField(two, "/a", true).fields).toEqual(["/a"]);
  expect(toggleField(one, "/a", true).fields).toEqual([]);
  expect([isFiltered(EVERYTHING), isFiltered(two)]).toEqual([false, true]);
  expect(showsOp(two, "move")).toBe(true);
});
