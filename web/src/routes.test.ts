import { describe, expect, it } from "vitest";
import { match, titleOf } from "./routes.ts";
import { nameIn, segment } from "./segment.ts";

describe("match", () => {
  const cases: [string, string | null, Record<string, string>][] = [
    ["/", "Home", {}],
    ["/signin", "SignIn", {}],
    ["/signin/", "SignIn", {}],
    ["/p/demo", "Overview", { project: "demo" }],
    ["/p/demo/e/GET%20%2Fprices", "Document", { project: "demo", endpoint: "GET /prices" }],
    ["/p/%F0%9F%8C%8B/e/quakes/compare", "Compare", { project: "🌋", endpoint: "quakes" }],
    ["/p/demo/settings/keys", "Keys", { project: "demo" }],
    ["/p/demo/events/types/=..", "EventType", { project: "demo", type: ".." }],
    ["/p/demo/events/types/%3D..", "EventType", { project: "demo", type: "=.." }],
    ["/p", null, {}],
    ["/p//e/quakes", null, {}],
    ["/p/%E0%A4%A", null, {}],
    ["/P/demo", null, {}],
    ["/p/demo/e/quakes/changes/more", null, {}],
    ["/v1/projects", null, {}],
  ];
  it.each(cases)("%s", (path, page, params) => {
    const found = match(path);
    expect(found?.route.page ?? null).toBe(page);
    expect(found?.params ?? {}).toEqual(params);
  });
});

it.each([
  ["/account", "Account"],
  ["/signin", "Sign in"],
  ["/p/demo/settings/keys", "Keys · demo"],
  ["/p/demo/e/quakes/settings", "Endpoint settings · quakes · demo"],
])("titleOf %s", (path, title) => {
  const found = match(path);
  expect(found && titleOf(found)).toBe(title);
});

it.each([".", "..", "...", "=.", "=..", "a/b", "50%", "%2E%2E", "🌋"])("the name %s stands in an address", (name) => {
  const { pathname } = new URL(`p/${segment(name)}/end`, "http://localhost/");
  expect(pathname.split("/")).toHaveLength(4);
  expect(nameIn(pathname.split("/")[2] as string)).toBe(name);
});
