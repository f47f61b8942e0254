import { expect, test } from "vitest";
import {
  changeOf,
  type Draft,
  draftOf,
  hasLevel,
  isOfEvents,
  KINDS,
  type Kind,
  lacksSubject,
  limitText,
  normal,
  type Rule,
  readDraft,
  same,
  stepsOf,
  withKind,
  withValue,
} from "./rule.ts";

const DRAFT: Draft = { kind: "threshold", endpoint: "quakes", path: "/metadata/count", op: "gt", value: 137 };

test("a saved rule is edited as what it says, and no more", () => {
  const rule = { ...DRAFT, id: "1", name: "n", in_a_row: 1, clear: null, tell: [], quiet: null, limit: "over 137" };
  expect(draftOf(rule as unknown as Rule)).toEqual(DRAFT);
  expect(same(DRAFT, { ...DRAFT, tell: [], in_a_row: 1 })).toBe(true);
});

test.each(Object.keys(KINDS) as Kind[])("%s has what it needs, and nothing of the kind before", (kind) => {
  const found = withKind({ ...DRAFT, in_a_row: 2, name: "n" }, kind, "UTC");
  const own = Object.keys(found).filter((name) => !["kind", "name"].includes(name));
  expect([...KINDS[kind].parts, ...(KINDS[kind].may ?? [])]).toEqual(expect.arrayContaining(own));
  for (const part of KINDS[kind].parts)
    if (!["in_a_row", "clear", "of"].includes(part)) expect(own.concat("endpoint")).toContain(part);
  expect(limitText(found)).not.toContain("undefined");
});

test("a question is kept from kind to kind of events, at the hours of the reader's zone", () => {
  const usual = withKind(withKind(DRAFT, "metric", "UTC"), "usual", "Europe/Paris");
  expect(usual).toEqual({ kind: "usual", query: { metrics: ["count"], timezone: "Europe/Paris" }, value: 3 });
  expect(withKind(usual, "usual", "UTC")).toEqual(usual);
  expect(withKind(usual, "metric", "UTC").query).toEqual({
    metrics: ["count"],
    range: "1h",
    timezone: "Europe/Paris",
  });
});

test("an anomaly may be of an endpoint's field, of the endpoint or of events, and by how much is said or not", () => {
  const found = withKind(DRAFT, "anomaly", "UTC");
  expect(found).toEqual({ kind: "anomaly", endpoint: "quakes", path: "/metadata/count" });
  expect([isOfEvents(found), stepsOf(found), limitText(found)]).toEqual([false, "hour", "unusual"]);
  expect(normal({ ...found, path: "" })).toEqual({ kind: "anomaly", endpoint: "quakes" });
  const ofEvents = normal({ ...found, endpoint: "", value: 6 });
  expect(ofEvents).toEqual({ kind: "anomaly", value: 6 });
  expect([isOfEvents(ofEvents), lacksSubject(ofEvents), hasLevel(ofEvents)]).toEqual([true, false, false]);
  expect(limitText(ofEvents)).toBe("unusual by 6 deviations or more");
  expect(withKind(ofEvents, "threshold", "UTC")).toEqual({ kind: "threshold", path: "", op: "gt", value: 6 });
});

test("what clears moves along with the limit", () => {
  expect(withValue({ ...DRAFT, clear: { value: 136, in_a_row: 2 } }, 139).clear).toEqual({ value: 138, in_a_row: 2 });
  expect(withValue(DRAFT, 1).clear).toBeUndefined();
});

test("an address may hold anything", () => {
  expect(readDraft(JSON.stringify(DRAFT))).toEqual(DRAFT);
  for (const text of [null, "", "{", "[]", "7", '{"kind":"toString"}', '{"kind":"rain"}'])
    expect(readDraft(text)).toBeNull();
});

test("a change says what was taken away", () => {
  expect(changeOf(normal(DRAFT), "n")).toMatchObject({ name: "n", clear: null, quiet: null, tell: [], in_a_row: 1 });
  expect(changeOf(DRAFT, "n")).not.toHaveProperty("endpoint");
});
