import { expect, test } from "vitest";
import { choicesOf, filtered, recentLine } from "./recent.ts";
import type { Rule } from "./rule.ts";

const RULE = { kind: "threshold", value: 10, state: "quiet", endpoint: "stock", endpoint_id: "e" };
const rule = (part: Record<string, unknown>) => ({ ...RULE, recent: [], ...part }) as unknown as Rule;

test("the numbers judged last are a line with the limit, and gaps where nothing was", () => {
  expect(recentLine(rule({ recent: [0, 10, null, 5, 5] }))).toEqual({
    path: "M2 14L15 2M41 8L54 8",
    limit: 2,
    last: { x: 54, y: 8 },
    words: "The last 5: 0 to 10, now 5",
  });
});

test("a limit far away leaves the line as it is; what stands still is in the middle", () => {
  expect(recentLine(rule({ recent: [1, 2], value: 1000 }))?.limit).toBeNull();
  expect(recentLine(rule({ recent: [3, 3, null], kind: "places" }))).toMatchObject({
    path: "M2 8L28 8",
    limit: null,
    last: null,
    words: "The last 3: 3 to 3, nothing now",
  });
  expect(recentLine(rule({ recent: [3] }))).toBeNull();
  expect(recentLine(rule({ recent: [null, null] }))).toBeNull();
});

test("rules are listed by state, endpoint and kind", () => {
  const rules = [
    rule({ id: "1", state: "raised" }),
    rule({ id: "2", kind: "silence" }),
    rule({ id: "3", kind: "metric", endpoint: null, endpoint_id: null }),
    rule({ id: "4", endpoint: null }),
  ];
  const ids = (asked: Partial<Parameters<typeof filtered>[1]>) =>
    filtered(rules, { state: null, endpoint: null, kind: null, ...asked }).map(({ id }) => id);
  expect(ids({})).toEqual(["1", "2", "3", "4"]);
  expect(ids({ state: "raised" })).toEqual(["1"]);
  expect(ids({ endpoint: "events" })).toEqual(["3"]);
  expect(ids({ endpoint: "stock", kind: "silence" })).toEqual(["2"]);
  expect(ids({ kind: "nothing" })).toEqual([]);
  expect(choicesOf(rules).endpoints).toEqual(["e", "events", "stock"]);
  expect(Object.keys(choicesOf(rules).kinds)).toEqual(["threshold", "silence", "metric"]);
});
