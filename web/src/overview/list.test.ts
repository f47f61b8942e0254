import { expect, test } from "vitest";
import { type Listed, shown, usualMs } from "./list.ts";

const HOUR = 3_600_000;

function listed(name: string, more: Partial<Listed> = {}): Listed {
  return {
    id: name,
    name,
    description: "",
    lastMs: 10 * HOUR,
    firstMs: 0,
    versions: 11,
    changes: 5,
    rawBytes: 1000,
    storedBytes: 100,
    documentBytes: 90,
    lastDelta: null,
    lastChangeMs: 10 * HOUR,
    spark: [],
    ...more,
  };
}

const ALL = [
  listed("prices", { lastChangeMs: 2, storedBytes: 30, description: "Shop of Éva" }),
  listed("<img onerror>", { lastChangeMs: 3, storedBytes: 20 }),
  listed("quakes", { lastChangeMs: 1, storedBytes: 40, description: "USGS feed" }),
  listed("empty", { lastChangeMs: null, lastMs: null, firstMs: null, versions: 0, storedBytes: 0 }),
];

const names = (sought: string, sort: "changed" | "name" | "size") => shown(ALL, sought, sort).map(({ name }) => name);

test("they are sorted by their last change, name or size", () => {
  expect(names("", "changed")).toEqual(["<img onerror>", "prices", "quakes", "empty"]);
  expect(names("", "name")).toEqual(["<img onerror>", "empty", "prices", "quakes"]);
  expect(names("", "size")).toEqual(["quakes", "prices", "<img onerror>", "empty"]);
});

test.each([
  ["QUAK", ["quakes"]],
  ["feed usgs", ["quakes"]],
  ["éva", ["prices"]],
  ["(", []],
  ["  ", ["<img onerror>", "prices", "quakes", "empty"]],
])("filtered by %j", (sought, found) => expect(names(sought, "changed")).toEqual(found));

test("quiet is three times the usual gap, of endpoints with a history", () => {
  const usual = listed("a");
  expect(usualMs(usual, 12.9 * HOUR)).toBeNull();
  expect(usualMs(usual, 15 * HOUR)).toBe(HOUR);
  expect(usualMs(listed("a", { versions: 3 }), 99 * HOUR)).toBeNull();
  expect(usualMs(listed("a", { firstMs: 10 * HOUR }), 99 * HOUR)).toBeNull();
  expect(usualMs(listed("a", { lastMs: null }), 99 * HOUR)).toBeNull();
});
