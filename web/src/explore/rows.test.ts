import { expect, it } from "vitest";
import { stacked } from "../charts/model.ts";
import { change } from "./names.ts";
import { plotOf } from "./plot.ts";
import { readQuestion } from "./question.ts";
import { type EventJson, fieldsOf, filtersOf, linesBy, oneOf } from "./rows.ts";

const EVENT = { eventType: "page", source: "web", tags: [], userId: "u" } as unknown as EventJson;
const ask = (text: string) => readQuestion(new URLSearchParams(text), "UTC", Date.parse("2026-05-08T12:00:00Z"));

it("writes conditions as the server reads them", () => {
  expect(filtersOf(ask("f=source:is:a,b&f=duration:gt:%3D5&f=data.x:missing:").where)).toEqual([
    ["is", "source", ["a", "b"]],
    ["gt", "duration", 5],
    ["missing", "data.x"],
  ]);
  expect(oneOf("source", ["a", null])).toEqual([
    "or",
    [
      ["is", "source", ["a"]],
      ["missing", "source"],
    ],
  ]);
  expect(oneOf("source", [null])).toEqual(["missing", "source"]);
});

it("finds the fields that events have", () => {
  const events = Array.from({ length: 20 }, (_, n) => ({
    ...EVENT,
    data: { "a.b": "x", n, few: n % 2, deep: { er: { still: "y", more: { lost: 1 } } }, nothing: null, list: [1] },
  })) as unknown as EventJson[];
  const { groups, numbers } = fieldsOf(events);
  expect(groups).toEqual(["eventType", "source", "data.a\\.b", "data.few", "data.deep.er.still", "userId"]);
  expect(numbers).toEqual(["data.n", "data.few"]);
});

const TIMES = ["2026-05-01T00:00:00.000Z", "2026-05-01T01:00:00.000Z"];
const SERIES = TIMES.map((time, i) => ({ time, count: 10 * (i + 1), previous: { count: i } }));
const SPLIT = [
  { time: TIMES[0], source: "a", count: 4 },
  { time: TIMES[1], source: "a", count: 7 },
  { time: TIMES[1], source: null, count: 3 },
];

it("draws the total, the values that are picked and the time before", () => {
  const question = ask("by=source&vs=previous&s=a&s=~");
  const times = TIMES.map((time) => Date.parse(time));
  expect([...linesBy(SPLIT, question, times)]).toEqual([
    ["a", [4, 7]],
    ["~", [0, 3]],
  ]);
  const plot = plotOf(question, SERIES, { rows: SPLIT, names: ["a", "~"] });
  expect(plot.lines.map(({ name, values }) => [name, ...values])).toEqual([
    ["events", 10, 20],
    ["a", 4, 7],
    ["not set", 0, 3],
    ["before", 0, 1],
  ]);
});

it("stacks parts with what they leave of the whole, and nothing on the time before", () => {
  const plot = plotOf(ask("by=source&draw=stack&vs=previous"), SERIES, { rows: SPLIT, names: ["a", "~"] });
  expect(plot.lines.map(({ name }) => name)).toEqual(["a", "not set", "others", "before"]);
  expect(stacked(plot).lines.map(({ values }) => values)).toEqual([
    [10, 20],
    [6, 13],
    [6, 10],
    [0, 1],
  ]);
});

it.each([
  [208, 100, "+108 %"],
  [91, 100, "−9 %"],
  [5, 5, "0 %"],
  [5, 0, ""],
  [null, 5, ""],
])("says what changed: %j against %j", (now, before, words) => {
  expect(change(now, before).replace("\u00a0", " ")).toBe(words);
});
