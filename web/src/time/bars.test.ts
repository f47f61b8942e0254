import { describe, expect, it } from "vitest";

import {
  type Bar,
  DOWN,
  firstFrom,
  fraction,
  gaps,
  msAt,
  nearest,
  percentile,
  pieces,
  scaleOf,
  ticks,
  UP,
  zoomed,
} from "./bars";

const bar = (ms: number, counts: Partial<Bar> = {}): Bar => ({
  ms,
  id: String(ms),
  kind: "content",
  versions: 1,
  added: 0,
  removed: 0,
  replaced: 1,
  moved: 0,
  ...counts,
});
const day = { fromMs: Date.UTC(2025, 4, 22), toMs: Date.UTC(2025, 4, 23) };

describe("heights", () => {
  it("are linear up to the 98th percentile, and cut above", () => {
    const bars = Array.from({ length: 100 }, (_, i) => bar(i, { replaced: i < 99 ? 10 : 5000 }));
    const scale = scaleOf(bars);
    const usual = pieces(bars[0] as Bar, scale);
    const high = pieces(bars[99] as Bar, scale);
    expect(usual.cutUp).toBe(false);
    expect(high.cutUp).toBe(true);
    expect(high.parts[0]?.height).toBeCloseTo(UP - 0.6);
    expect(usual.parts[0]?.height).toBeGreaterThan(20);
  });

  it("removed hangs below the line, as far as there is room", () => {
    const { parts, cutDown } = pieces(
      bar(0, { replaced: 0, removed: 1000, added: 1 }),
      scaleOf([bar(0, { added: 1, removed: 4 })]),
    );
    expect(parts.map((part) => part.kind)).toEqual(["added", "removed"]);
    expect(parts[1]?.height).toBe(DOWN);
    expect(cutDown).toBe(true);
  });

  it("a single change is seen", () => {
    const scale = scaleOf(Array.from({ length: 50 }, (_, i) => bar(i, { replaced: 20_000 })));
    expect(pieces(bar(0), scale).parts[0]?.height).toBeGreaterThanOrEqual(0.8);
  });

  it.each([
    [[], 0],
    [[0, 0], 0],
    [[5], 5],
    [[1, 2, 3, 4], 4],
  ])("percentile of %j", (values, expected) => {
    expect(percentile(values, 0.98)).toBe(expected);
  });
});

describe("places", () => {
  const bars = [10, 20, 40].map((ms) => bar(ms));

  it.each([
    [0, 0],
    [14, 0],
    [15, 0],
    [16, 1],
    [29, 1],
    [31, 2],
    [99, 2],
  ])("nearest to %i is %i", (ms, place) => {
    expect(nearest(bars, ms)).toBe(place);
  });

  it("of none there is none", () => {
    expect(nearest([], 5)).toBe(-1);
    expect(firstFrom(bars, 21)).toBe(2);
  });

  it("leads to fractions and back", () => {
    expect(fraction(day, msAt(day, 0.25))).toBe(0.25);
    expect(msAt(day, 7)).toBe(day.toMs);
    expect(fraction({ fromMs: 5, toMs: 5 }, 5)).toBe(0.5);
  });

  it("long gaps are found", () => {
    const some = [0, 1, 2, 3, 60, 61, 62].map((ms) => bar(ms));
    expect(gaps(some, { fromMs: 0, toMs: 62 })).toEqual([{ fromMs: 3, toMs: 60 }]);
  });
});

describe("zoomed", () => {
  it("keeps the time under the pointer", () => {
    const near = zoomed(day, 0.5, 0.25, day);
    expect(msAt(near, 0.25)).toBe(msAt(day, 0.25));
    expect(near.toMs - near.fromMs).toBe(432e5);
  });

  it("stays within the whole, and is never nothing", () => {
    expect(zoomed(day, 3, 0.9, day)).toEqual(day);
    const least = zoomed(day, 1e-9, 1, day);
    expect(least.toMs - least.fromMs).toBe(1000);
    expect(least.toMs).toBe(day.toMs);
  });
});

describe("ticks", () => {
  it("of a week are days", () => {
    const week = { fromMs: day.fromMs - 3.5 * 864e5, toMs: day.fromMs + 3.5 * 864e5 };
    const found = ticks(week, "UTC");
    expect(found.length).toBe(7);
    expect(found.every((tick) => tick.unit === "day" && tick.ms % 864e5 === 0)).toBe(true);
    expect(found.map((tick) => tick.odd)).toEqual([false, true, false, true, false, true, false]);
  });

  it("of a day are hours, of years months, in the reader's zone", () => {
    expect(ticks(day, "Asia/Kolkata").map((tick) => (tick.ms / 36e5) % 1)).toEqual(Array(8).fill(0.5));
    const years = ticks({ fromMs: Date.UTC(2020, 9, 8), toMs: Date.UTC(2023, 0, 2) }, "UTC");
    expect(years.map((tick) => new Date(tick.ms).toISOString().slice(0, 7))).toEqual([
      "2021-01",
      "2021-04",
      "2021-07",
      "2021-10",
      "2022-01",
      "2022-04",
      "2022-07",
      "2022-10",
      "2023-01",
    ]);
    expect(years[0]?.unit).toBe("year");
  });

  it("of a change to summer time are midnights still", () => {
    const found = ticks({ fromMs: Date.UTC(2025, 2, 28), toMs: Date.UTC(2025, 3, 5) }, "Europe/Berlin");
    expect(found.map((tick) => new Date(tick.ms).toISOString().slice(5, 16))).toEqual([
      "03-28T23:00",
      "03-29T23:00",
      "03-30T22:00",
      "03-31T22:00",
      "04-01T22:00",
      "04-02T22:00",
      "04-03T22:00",
      "04-04T22:00",
    ]);
  });
});
