import { expect, test } from "vitest";
import { asQuery, headersOf, type Space, spaceBy, spaceOf } from "./space.ts";

const SPACES: [string, Space, Record<string, string>][] = [
  ["", { kind: "own" }, {}],
  ["person=ann", { kind: "person", owner: "ann" }, { "x-sync-user": "ann" }],
  ["person=project", { kind: "person", owner: "project" }, { "x-sync-user": "project" }],
  ["space=project", { kind: "project" }, { "x-sync-space": "project" }],
];

test.each(SPACES)("%s", (search, space, headers) => {
  expect(spaceOf(new URLSearchParams(search))).toEqual(space);
  expect(headersOf(space)).toEqual(headers);
  const said = Object.entries(asQuery(space)).flatMap(([name, value]) => (value === null ? [] : [[name, value]]));
  expect(new URLSearchParams(said).toString()).toBe(search);
});

test.each([
  ["space=other", "own"],
  ["person=", "own"],
])("what %s means", (search, kind) => {
  expect(spaceOf(new URLSearchParams(search)).kind).toBe(kind);
});

test("the reader's own space is not another person's", () => {
  expect(spaceBy("me", "me")).toEqual({ kind: "own" });
  expect(spaceBy("ann", "me")).toEqual({ kind: "person", owner: "ann" });
  expect(spaceBy("", undefined)).toEqual({ kind: "project" });
});
