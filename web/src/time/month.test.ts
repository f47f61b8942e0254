import { describe, expect, it } from "vitest";

import type { Bar } from "./bars";
import { monthDays, monthName, perDay } from "./month";

describe("monthDays", () => {
  it("begins on a Monday", () => {
    const days = monthDays(2025, 5, "UTC");
    expect(days.slice(0, 4)).toEqual([
      null,
      null,
      null,
      { day: 1, ms: Date.UTC(2025, 4, 1), endMs: Date.UTC(2025, 4, 2) },
    ]);
    expect(days.length).toBe(34);
  });

  it("has the reader's days, that of a change of clocks an hour shorter", () => {
    const day = monthDays(2025, 3, "Europe/Berlin").at(-2);
    expect(day?.day).toBe(30);
    expect((day?.endMs ?? 0) - (day?.ms ?? 0)).toBe(23 * 36e5);
    expect(monthName(day?.ms ?? 0, "Europe/Berlin")).toBe("March 2025");
  });
});

it("perDay adds what changed", () => {
  const bar = (ms: number): Bar => ({
    ms,
    id: "",
    kind: "content",
    versions: 1,
    added: 1,
    removed: 2,
    replaced: 3,
    moved: 0,
  });
  const day = Date.UTC(2025, 4, 22);
  expect(perDay([bar(day), bar(day + 1000), bar(day + 864e5)], "UTC")).toEqual(
    new Map([
      [day, 12],
      [day + 864e5, 6],
    ]),
  );
});
