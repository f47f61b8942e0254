import { expect, test } from "vitest";
import {
  arrived,
  EMPTY,
  feedOf,
  feedText,
  type Item,
  MOST,
  MOST_FOLLOWED,
  minutes,
  quietWords,
  released,
} from "./feed.ts";

const item = (id: string, atMs: number): Item => ({
  id,
  endpoint: "quakes",
  atMs,
  fromId: "a",
  toId: "b",
  kind: "content",
  changes: 1,
  rows: [],
});
const ids = (items: readonly Item[]) => items.map(({ id }) => id);

test("the newest is first, and what comes twice stands once", () => {
  const feed = arrived(arrived(EMPTY, [item("a", 1), item("c", 3)], false), [item("b", 2), item("c", 3)], false);
  expect(ids(feed.items)).toEqual(["c", "b", "a"]);
});

test("news waits while somebody reads, and comes when they are done", () => {
  const before = arrived(EMPTY, [item("a", 1)], false);
  const reading = arrived(before, [item("b", 2), item("a", 1)], true);
  expect([ids(reading.items), ids(reading.waiting)]).toEqual([["a"], ["b"]]);
  const after = released(reading);
  expect([ids(after.items), ids(after.waiting)]).toEqual([["b", "a"], []]);
  expect(released(after)).toBe(after);
  expect(arrived(after, [], false)).toBe(after);
});

test("an hour of news leaves no more than the most that is kept", () => {
  let feed = EMPTY;
  for (let i = 0; i < 1000; i += 1) feed = arrived(feed, [item(String(i), i)], i % 100 > 50);
  expect(feed.items.length).toBeLessThanOrEqual(MOST);
  expect(feed.waiting.length).toBeLessThanOrEqual(MOST);
  expect(released(feed).items[0]?.id).toBe("999");
});

test("items are told by minute", () => {
  const found = minutes([item("c", 125_000), item("b", 121_000), item("a", 59_999)]);
  expect(found.map(({ atMs, items }) => [atMs, ids(items)])).toEqual([
    [120_000, ["c", "b"]],
    [0, ["a"]],
  ]);
});

test("deltas without content say why", () => {
  expect(quietWords("format")).toBe("only how it is written");
  expect(quietWords("of a later server")).toBe("nothing that is compared");
});

test.each([
  [null, []],
  ["", []],
  ["quakes", ["quakes"]],
  ["quakes,prices,quakes", ["quakes", "prices"]],
  ["a%2Cb,50%", ["a,b", "50%"]],
])("the endpoints of %j", (text, names) => expect(feedOf(text)).toEqual(names));

test("endpoints of an address come back as they were", () => {
  const names = ["a,b", "50%", "<img>"];
  expect(feedOf(feedText(names))).toEqual(names);
  expect(feedText([])).toBeNull();
  expect(feedOf("abcdefghijkl".split("").join(","))).toHaveLength(MOST_FOLLOWED);
});
