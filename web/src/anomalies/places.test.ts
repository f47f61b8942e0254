import { expect, test } from "vitest";
import { type Anomaly, filtersOf, placeOf } from "./places.ts";

const SPIKE = {
  kind: "spike",
  series: "field",
  name: "/count",
  endpoint: "quakes",
  peak_at: "2026-05-02T09:00:00.000Z",
} as unknown as Anomaly;

test.each([
  ["", {}],
  ["kind=spike&series=events&state=open", { kind: "spike", series: "events", state: "open" }],
  ["kind=odd&series=constructor&state=ended", {}],
  ["endpoint=quakes", { endpoint: "quakes" }],
])("filters of %s", (asked, expected) => {
  expect(filtersOf(new URLSearchParams(asked))).toEqual(expected);
});

const RANGE = { range: "2026-04-27T09:00Z..2026-05-07T09:00Z" };

test.each([
  [{}, { steps: ["e", "quakes", "charts"], query: { f: "/count", ...RANGE } }],
  [{ kind: "new_value" }, { steps: ["e", "quakes"], query: { at: SPIKE.peak_at } }],
  [{ series: "changes" }, { steps: ["e", "quakes"], query: { at: SPIKE.peak_at } }],
  [{ series: "duration" }, { steps: ["e", "quakes", "polls"] }],
  [{ series: "events" }, { steps: ["events"], query: RANGE }],
  [{ endpoint: null }, null],
])("the place of %o", (changed, expected) => {
  expect(placeOf({ ...SPIKE, ...changed } as Anomaly)).toEqual(expected);
});
