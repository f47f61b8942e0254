import { describe, expect, it } from "vitest";
import { covers, setTried, tried, withTried } from "./ignoring.ts";

it.each([[[]], [["/a"]], [["/a,b", "/c%2C/*"]], [["/**/updated", "/metadata/generated"]]])(
  "%j stands in the address",
  (patterns) => {
    const query = new URLSearchParams("q=1");
    setTried(query, patterns);
    expect(tried(new URLSearchParams(query.toString()))).toEqual(patterns);
  },
);

it("takes a mistyped address as it is", () => {
  expect(tried(new URLSearchParams("try=%25zz,,/a,/a"))).toEqual(["%zz", "/a"]);
});

describe("covers", () => {
  it.each([
    ["/a", "/a", true],
    ["/a", "/a/b", true],
    ["/a/b", "/a", false],
    ["/a/*", "/a/b", true],
    ["/*/b", "/a/c", false],
    ["/**/updated", "/features/*/properties/updated", true],
    ["/**/updated", "/updated", true],
    ["/**/updated", "/features/*/properties/time", false],
  ])("%s covers %s: %s", (rule, field, expected) => {
    expect(covers(rule, field)).toBe(expected);
  });
});

it("adds what is tried to the rules once", () => {
  expect(withTried(["/a"], ["/a", "/b"])).toEqual(["/a", "/b"]);
});
