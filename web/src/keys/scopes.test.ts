import { expect, test } from "vitest";
import { keyBody, PRESETS, scopesText } from "./scopes.ts";

test.each([
  ["a preset", ["deploy ", "read", [], "30d"], { name: "deploy", scopes: ["read"], expires_in: "30d" }],
  ["for web pages", ["site", "web", [], ""], { name: "site", scopes: ["ingest"], kind: "write" }],
  ["for a website", ["shop", "site", [], ""], { name: "shop", scopes: ["visits:write"], kind: "write" }],
  ["its own scopes", ["", "custom", ["sql:read"], ""], { name: "", scopes: ["sql:read"] }],
] as const)("%s", (_name, [name, preset, custom, life], body) =>
  expect(keyBody(name, preset, custom, life)).toEqual(body),
);

test("each preset may do something", () => {
  for (const preset of PRESETS) expect(preset.scopes.length).toBeGreaterThan(0);
});

test("many scopes are counted", () => {
  expect(scopesText(["read"])).toBe("read");
  expect(scopesText(["a", "b", "c", "d"])).toBe("a, b and 2 more");
});
