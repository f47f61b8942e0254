import { expect, test } from "vitest";
import { actionText, actorParts, detailText } from "./words.ts";

test("entries are told in words", () => {
  expect([actionText("key.first_use"), actionText("login")]).toEqual(["key, first use", "login"]);
  expect(actorParts("user 01a2 b")).toEqual(["user", "01a2 b"]);
  expect(actorParts("server")).toEqual(["server", ""]);
  expect(actorParts("command line")).toEqual(["command line", ""]);
});

test.each([
  [{}, ""],
  [{ role: "viewer", scopes: ["read"], was_last: true }, 'role: viewer, scopes: ["read"], was last: true'],
  [null, ""],
])("details %j", (detail, text) => expect(detailText(detail)).toBe(text));
