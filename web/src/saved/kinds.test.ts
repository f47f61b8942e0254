import { expect, it } from "vitest";
import { addressOf, viewOf } from "./kinds.ts";

it("keeps the question, not which saved one it was nor where somebody looked", () => {
  expect(viewOf(new URLSearchParams("m=count&f=a:is:b&f=c:is:d&saved=1&at=2026"))).toBe(
    "m=count&f=a%3Ais%3Ab&f=c%3Ais%3Ad",
  );
  expect(viewOf(new URLSearchParams(""))).toBe("");
});

it("leads to each kind's page", () => {
  expect(addressOf("a b", { id: "1", kind: "sql", view: null })).toBe("/p/a%20b/events/sql?saved=1");
  expect(addressOf("p", { id: "1", kind: "explorer", view: "m=x&f=1&f=2" })).toBe("/p/p/events?m=x&f=1&f=2&saved=1");
});
