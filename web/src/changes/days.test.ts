import { expect, it } from "vitest";
import { byDay, optionsOf, setWanted, wantedOf } from "./days.ts";

it("begins a day where the reader's zone does", () => {
  const times = ["2025-05-22T21:59:00Z", "2025-05-22T22:01:00Z", "2025-05-23T10:00:00Z"].map((text) =>
    Date.parse(text),
  );
  const days = (zone: string) => byDay(times, (ms) => ms, zone).map(({ items }) => items.length);
  expect(days("UTC")).toEqual([2, 1]);
  expect(days("Europe/Berlin")).toEqual([1, 2]);
  expect(byDay([], Number, "UTC")).toEqual([]);
});

it.each([
  ["", "", { kind: "content" }],
  ["kind=all&min=3", "kind=all&min=3", { kind: "all", min_changes: "3" }],
  ["kind=nonsense&min=-1", "", { kind: "content" }],
  ["field=%2Frates%2F*", "field=%2Frates%2F*", { kind: "content", path: "/rates/*" }],
  ["range=2025-05-01..", "range=2025-05-01..", { kind: "content", from: "2025-05-01" }],
  [
    "range=2025-05-01..2025-05-02",
    "range=2025-05-01..2025-05-02",
    { kind: "content", from: "2025-05-01", to: "2025-05-02" },
  ],
])("%s stays %s and asks for %j", (given, kept, options) => {
  const wanted = wantedOf(new URLSearchParams(given));
  const query = new URLSearchParams();
  setWanted(query, wanted);
  expect(query.toString()).toBe(kept);
  expect(optionsOf(wanted)).toEqual(options);
});
