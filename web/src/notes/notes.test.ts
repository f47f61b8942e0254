import { expect, it } from "vitest";
import { flagsOf, type Note } from "./notes.ts";

const HOUR = 36e5;
const SPAN = { fromMs: 0, toMs: 26 * HOUR };
const note = (hour: number, more: Partial<Note> = {}) =>
  ({ id: `${hour}`, kind: "deploy", text: "x", time: new Date(hour * HOUR).toISOString(), end: null, ...more }) as Note;

it("gives each a letter in the order of time", () => {
  const flags = flagsOf([note(5), note(2, { kind: "incident", end: new Date(4 * HOUR).toISOString() })], SPAN);
  expect(flags.map(({ letter, ms, toMs, isIncident }) => [letter, ms / HOUR, toMs, isIncident])).toEqual([
    ["a", 2, 4 * HOUR, true],
    ["b", 5, null, false],
  ]);
});

it("draws what began before at the begin", () => {
  expect(flagsOf([note(-5, { end: new Date(HOUR).toISOString() })], SPAN)[0]?.ms).toBe(0);
});

it("counts them where there are many", () => {
  const flags = flagsOf([...Array.from({ length: 40 }, () => note(3)), note(20)], SPAN);
  expect(flags.map(({ letter, notes }) => [letter, notes.length])).toEqual([
    ["40", 40],
    ["1", 1],
  ]);
});
