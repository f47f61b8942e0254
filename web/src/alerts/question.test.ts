import { expect, test } from "vitest";
import { plainQuery, type Query, type Question, queryOf, questionOf, questionText, withWhat } from "./question.ts";

const COUNT: Question = { what: "count", field: "", where: [], every: "1h", timezone: "UTC" };

test.each<[string, Partial<Question>, Query]>([
  ["events", {}, { metrics: ["count"], range: "1h" }],
  ["people", { what: "unique", field: "userId", every: "1d" }, { metrics: ["unique_users"], range: "1d" }],
  [
    "a tail",
    { what: "p95", field: "duration", timezone: "Europe/Paris" },
    { metrics: ["p95_duration"], range: "1h", timezone: "Europe/Paris" },
  ],
  [
    "a field with a line in its name",
    { what: "sum", field: "data.cart_total" },
    { metrics: ["sum_data.cart_total"], range: "1h" },
  ],
  [
    "some",
    {
      where: [
        { field: "eventType", op: "is", value: "order" },
        { field: "data.plan", op: "is", value: "pro" },
        { field: "data.size", op: "is", value: "5" },
        { field: "data.code", op: "is_not", value: '"5"' },
        { field: "duration", op: "gte", value: "100" },
        { field: "userId", op: "exists", value: "" },
      ],
    },
    {
      metrics: ["count"],
      range: "1h",
      filters: [
        ["is", "eventType", "order"],
        ["is", "data.plan", "pro"],
        ["is", "data.size", 5],
        ["is_not", "data.code", "5"],
        ["gte", "duration", 100],
        ["exists", "userId"],
      ],
    },
  ],
])("%s are asked for by parts, and read back", (_, parts, query) => {
  const question = { ...COUNT, ...parts };
  expect(queryOf(question, "metric")).toEqual(query);
  expect(questionOf(query)).toEqual(question);
});

test("one value in a list is a value", () => {
  expect(questionOf({ filters: [["is", "source", ["web"]]] })?.where).toEqual([
    { field: "source", op: "is", value: "web" },
  ]);
});

test("what is not typed to its end is not asked", () => {
  const where = [
    { field: "", op: "is", value: "x" },
    { field: "source", op: "is", value: "" },
  ];
  expect(queryOf({ ...COUNT, where }, "metric")).toEqual({ metrics: ["count"], range: "1h" });
});

test.each<Query>([
  { metrics: ["count", "unique_users"] },
  { metrics: ["dominant_status"] },
  { metrics: ["toString_x"] },
  { filters: [["or", [["is", "source", "a"]]]] },
  { filters: [["is", "source", ["a", "b"]]] },
  { filters: [["matches", "source", "a.*"]] },
  { range: ["2026-01-01", null] },
  { fill: "null" },
])("%o says more than the parts can", (query) => {
  expect(questionOf(query)).toBeNull();
  expect(questionText(query)).toBe("a question to the events");
});

test("a saved question is the one that was sent", () => {
  const saved = { metrics: ["count"], groupBy: [], range: "7d", timezone: "UTC", weekStart: "monday", limit: null };
  expect(plainQuery(saved as Query, "usual")).toEqual(queryOf(COUNT, "usual"));
});

test("another thing to count begins with a field that has it", () => {
  const of = (what: string, field: string) => withWhat({ ...COUNT, what: "sum", field }, what).field;
  expect([of("count", "duration"), of("unique", ""), of("avg", "userId"), of("avg", "data.x")]).toEqual([
    "",
    "userId",
    "duration",
    "data.x",
  ]);
});

test("a question in words", () => {
  const where = [{ field: "eventType", op: "is", value: "order" }];
  expect(questionText(queryOf({ ...COUNT, what: "sum", field: "data.total", where }, "metric"))).toBe(
    "the sum of data.total where eventType is order",
  );
});
