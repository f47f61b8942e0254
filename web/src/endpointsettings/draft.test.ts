import { expect, test } from "vitest";
import { draftOf, jsonOf, type Rules, rulesOf, rulesOfJson, withKey } from "./draft.ts";

const NONE: Rules = { ignore: [], array_keys: {}, labels: {}, tolerance: 0, order: {} };

test.each<[string, Rules]>([
  ["none", NONE],
  [
    "all of them",
    {
      ignore: ["/metadata/generated", "/**/updated"],
      array_keys: { "/features": ["properties/url"], "": ["a", "b"] },
      labels: { "/features": "properties/title" },
      tolerance: { "/a": 0.5, "/b": 2 },
      order: { "/*/tags": "set", "/a/tags": "strict" },
    },
  ],
  ["one tolerance for all", { ...NONE, tolerance: 1e-9 }],
])("rules come back from the form as they were: %s", (_name, rules) => {
  expect(rulesOf(draftOf(rules))).toEqual(rules);
  expect(rulesOfJson(jsonOf(rules))).toEqual(rules);
});

test("empty lines and rows, spaces and repeats are nothing", () => {
  const draft = {
    ...draftOf(NONE),
    ignore: " /a \n\n/a\n",
    keys: [
      { path: " /x ", value: "id , " },
      { path: "", value: " " },
    ],
  };
  expect(rulesOf(draft)).toEqual({ ...NONE, ignore: ["/a"], array_keys: { "/x": ["id"] } });
});

test.each(["1,5", " 1.5 "])("%j is a number", (tolerance) =>
  expect(rulesOf({ ...draftOf(NONE), tolerance }).tolerance).toBe(1.5),
);

test("what is no number goes as it is, so that the server names it", () => {
  expect(rulesOf({ ...draftOf(NONE), tolerance: "much" }).tolerance).toBe("much");
});

test.each(["[]", "null", "1", "{"])("JSON %s is no rules", (text) => expect(typeof rulesOfJson(text)).toBe("string"));

test("JSON may leave out what is as usual", () =>
  expect(rulesOfJson('{"ignore":["/a"]}')).toEqual({ ...NONE, ignore: ["/a"] }));

test.each([
  ["/features", "id", [{ path: "/features", value: "id" }]],
  ["/a", "code", [{ path: "/a", value: "code" }]],
  ["/a", "", [{ path: "/a", value: "sku" }]],
])("a link proposes the key of %s", (path, fields, keys) => {
  const rules: Rules = {
    ignore: [],
    array_keys: path === "/a" ? { "/a": ["sku"] } : {},
    labels: {},
    tolerance: 0,
    order: {},
  };
  expect(withKey(draftOf(rules), path, fields).keys).toEqual(keys);
});
