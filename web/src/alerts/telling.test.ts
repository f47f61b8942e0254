import { expect, test } from "vitest";
import { hearers, turned } from "./telling.ts";

const webhooks = [
  { id: "1", name: "warehouse" },
  { id: "2", name: "on call" },
];

test("what a rule tells is known by id, by name, or gone", () => {
  expect(hearers(webhooks, ["2", "warehouse", "9"])).toEqual([
    { id: "1", name: "warehouse", isTold: true },
    { id: "2", name: "on call", isTold: true },
    { id: "9", name: "9 (deleted)", isTold: true },
  ]);
  expect(hearers(webhooks, []).some(({ isTold }) => isTold)).toBe(false);
});

test("one is chosen by its id, and no longer by whatever named it", () => {
  const tell = ["2", "warehouse", "9"];
  const [first, second, gone] = hearers(webhooks, tell);
  expect(first && turned(first, tell)).toEqual(["2", "9"]);
  expect(second && turned(second, tell)).toEqual(["warehouse", "9"]);
  expect(gone && turned(gone, tell)).toEqual(["2", "warehouse"]);
  const [none] = hearers(webhooks, []);
  expect(none && turned(none, [])).toEqual(["1"]);
});
