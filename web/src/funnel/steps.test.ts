import { expect, it } from "vitest";
import { barsOf, changed, stepsOf } from "./steps.ts";

it("reads steps from an address, as many as the server takes", () => {
  expect(stepsOf(new URLSearchParams("s=a&s=&s=b&s= "))).toEqual(["a", "b"]);
  expect(stepsOf(new URLSearchParams(Array.from({ length: 12 }, (_, n) => ["s", `${n}`]))).length).toBe(8);
});

it("changes, adds and takes away steps", () => {
  expect(changed(["a", "b"], 1, "c")).toEqual(["a", "c"]);
  expect(changed(["a"], 5, "b")).toEqual(["a", "b"]);
  expect(changed(["a", "b"], 0, null)).toEqual(["b"]);
});

it("says who was lost at each step", () => {
  const row = (name: string, users: number, conversion: number, median_ms: number | null) => ({
    name,
    users,
    conversion,
    conversion_from_previous: conversion,
    median_ms,
  });
  expect(barsOf([row("a", 100, 1, null), row("b", 25, 0.25, 5000)])).toEqual([
    { name: "a", users: 100, share: 1, shareBefore: 1, lost: 0, medianMs: null },
    { name: "b", users: 25, share: 0.25, shareBefore: 0.25, lost: 75, medianMs: 5000 },
  ]);
});
