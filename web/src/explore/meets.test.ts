import { expect, it } from "vitest";
import { joined, meetsAll, wordsOf } from "./meets.ts";
import { type Condition, readCondition } from "./question.ts";
import type { EventJson } from "./rows.ts";

const EVENT = {
  messageId: "1",
  eventType: "page",
  source: null,
  duration: 12.5,
  tags: ["a", "b"],
  data: { path: "/Map", "a.b": true, deep: { er: "7" }, list: [] },
} as unknown as EventJson;

it.each([
  ["eventType:is:page,other", true],
  ["eventType:is_not:page", false],
  ["source:is_not:web", false],
  ["source:missing:", true],
  ["data.list:exists:", false],
  ["tags:is:b", true],
  ["tags:not_contains:c", true],
  ["data.a\\\\.b:is:=true", true],
  ["data.deep.er:gt:=6", true],
  ["data.deep.er:lte:=6", false],
  ["data.path:gte:=0", false],
  ["duration:lt:=13", true],
  ["data.path:starts_with:/M", true],
  ["data.path:ends_with:/M", false],
  ["data.constructor:exists:", false],
  ["data:is:x", false],
])("%s is met: %j", (text, met) => {
  expect(meetsAll(EVENT, [readCondition(text) as Condition], [])).toBe(met);
});

it("looks for words in all of an event", () => {
  expect(meetsAll(EVENT, [], wordsOf(" MAP page "))).toBe(true);
  expect(meetsAll(EVENT, [], wordsOf("map nowhere"))).toBe(false);
});

it("keeps each event once, the newest first, so many", () => {
  const of = (...ids: string[]) => ids.map((messageId) => ({ messageId }) as EventJson);
  expect(joined(of("4", "3"), of("3", "2", "1"), 3).map(({ messageId }) => messageId)).toEqual(["4", "3", "2"]);
});
