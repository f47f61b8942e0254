import { expect, test } from "vitest";
import { answered, barsOf, folded, outcome, type Poll, setBy } from "./polls.ts";

function poll(id: number, part: Partial<Poll> = {}): Poll {
  const time = new Date(id).toISOString();
  const none = { status: 200, ms: 5, bytes: 0, changed: false, class: null, detail: null, note: null, excerpt: null };
  return { id: String(id), time, snapshot_id: null, steps: [], clock_set_ms: null, ...none, ...part };
}

test.each<[Partial<Poll>, string, string]>([
  [{ class: "timeout", status: null }, "failed", "no answer in time"],
  [{ changed: true }, "ok", "changed"],
  [{ status: 304 }, "", "unchanged, said the source"],
  [{}, "", "unchanged"],
])("%j", (part, shape, text) => expect(outcome(poll(1, part))).toEqual({ shape, text }));

test("polls in a row that are alike are one line", () => {
  const polls = [9, 8, 7, 6, 5]
    .map((id) => poll(id))
    .concat(poll(4, { changed: true }), poll(3), poll(2, { class: "dns" }));
  const shown = (open: string[]) =>
    folded(polls, new Set(open)).map((line) => (line.fold ? line.polls.length : line.poll.id));
  expect(shown([])).toEqual([5, "4", "3", "2"]);
  expect(shown(["9"])).toEqual(["9", "8", "7", "6", "5", "4", "3", "2"]);
  const failures = [9, 8, 7, 6].map((id) => poll(id, { class: "dns" }));
  expect(folded([...failures, poll(5, { class: "tls" })], new Set()).map(({ fold }) => fold)).toEqual([true, false]);
  const changes = [9, 8, 7, 6].map((id) => poll(id, { changed: true }));
  expect(folded(changes, new Set()).every(({ fold }) => !fold)).toBe(true);
  expect(folded([], new Set())).toEqual([]);
});

test("a poll after the clock was set stands for itself, and says so", () => {
  const polls = [9, 8, 7, 6].map((id) => poll(id)).concat(poll(5, { clock_set_ms: -7_200_000 }), poll(4));
  expect(folded(polls, new Set()).map((line) => line.fold || line.poll.id)).toEqual([true, "5", "4"]);
  expect(setBy(-7_200_000)).toBe("back by 2 h");
  expect(setBy(60_000)).toBe("forward by 1 min");
});

test("bars stand where they were, as high as they took", () => {
  const data = [0, 50, 100].map((ms, i) => ({
    time: new Date(ms).toISOString(),
    ok: 1,
    failed: i === 1 ? 1 : 0,
    changed: 0,
    ms: 10 * i,
  }));
  expect(barsOf(data, 0, 100).map(({ x, height, failed }) => [x, height, failed])).toEqual([
    [0, 0.06, false],
    [0.5, 1, true],
    [1, 1, false],
  ]);
  expect(answered(data)).toBe(0.75);
  expect(answered([])).toBeNull();
});
