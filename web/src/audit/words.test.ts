import { expect, test } from "vitest";
import { actionText, actorParts, detailText, type Entry, withNamed } from "./words.ts";

test("entries are told in words", () => {
  expect([actionText("key.first_use"), actionText("login")]).toEqual(["key, first use", "login"]);
  expect(actorParts("user 01a2 b")).toEqual(["user", "01a2 b"]);
  expect(actorParts("server")).toEqual(["server", ""]);
  expect(actorParts("command line")).toEqual(["command line", ""]);
});

test.each([
  [{}, ""],
  [
    { role: "viewer", scopes: ["read", "ingest"], was_last: true, expires_at: null },
    "role: viewer, scopes: read ingest, was last: true",
  ],
  [null, ""],
  [{ expires_at: "2026-12-06T23:29:04.237Z", name: "2026" }, "expires at: 1796599744237, name: 2026"],
])("details %j", (detail, text) => expect(detailText(detail, String)).toBe(text));

const entry = (target: string, name: string) => ({ target, name }) as Entry;

test("who is known by no list is named by the entries about them", () => {
  const known = new Map([["user 1", "ada@example.com"]]);
  const names = withNamed(known, [
    entry("user 1", "ada@old.example"),
    entry("user 2", "bo@example.com"),
    entry("key 3", "web shop"),
    entry("key 4", ""),
    entry("project 5", "shop"),
  ]);
  expect([...names].sort()).toEqual([
    ["key 3", "key web shop"],
    ["user 1", "ada@example.com"],
    ["user 2", "bo@example.com"],
  ]);
});
