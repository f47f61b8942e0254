import { describe, expect, it } from "vitest";

import { dayStart, parseMoment, wallMs, zonedMs } from "./moments";

const here = { nowMs: Date.UTC(2025, 4, 24, 12, 0), shownMs: Date.UTC(2025, 4, 22, 5, 3, 8), zone: "UTC" };
const time = (text: string) => ({ kind: "time", ms: Date.parse(text) });

describe("parseMoment", () => {
  it.each([
    ["2025-05-22 05:03", "2025-05-22T05:03:00Z"],
    ["2025-05-22T05:03:08.12Z", "2025-05-22T05:03:08.120Z"],
    ["2025-05-22 05:03 +02:00", "2025-05-22T03:03:00Z"],
    ["2025-05-22 05:03-0330", "2025-05-22T08:33:00Z"],
    ["2025-5-2", "2025-05-02T00:00:00Z"],
    ["yesterday 9:00", "2025-05-23T09:00:00Z"],
    ["Yesterday at 9:00", "2025-05-23T09:00:00Z"],
    ["today", "2025-05-24T00:00:00Z"],
    ["thursday 8:15", "2025-05-22T08:15:00Z"],
    ["last sat", "2025-05-17T00:00:00Z"],
    ["3d", "2025-05-21T12:00:00Z"],
    ["90 min ago", "2025-05-24T10:30:00Z"],
    ["1.5h", "2025-05-24T10:30:00Z"],
    ["14:02", "2025-05-22T14:02:00Z"],
    ["22 May 2025 05:03:08", "2025-05-22T05:03:08Z"],
    ["Thu 22 May 05:03", "2025-05-22T05:03:00Z"],
    ["May 16, 2024", "2024-05-16T00:00:00Z"],
  ])("%s", (typed, means) => {
    expect(parseMoment(typed, here)).toEqual(time(means));
  });

  it.each([
    ["137", { kind: "version", number: 137 }],
    ["#137", { kind: "version", number: 137 }],
    ["version 137", { kind: "version", number: 137 }],
    ["01985F0C-3f1a-7cc2-9a52-2f3b7f0c9d11", { kind: "snapshot", id: "01985f0c-3f1a-7cc2-9a52-2f3b7f0c9d11" }],
    [" latest ", { kind: "latest" }],
    ["", { kind: "latest" }],
  ])("%j", (typed, means) => {
    expect(parseMoment(typed, here)).toEqual(means);
  });

  it.each(["soon", "2025-13-01", "2025-05-22 25:00", "5:99", "1234567890", "22 foo", "-3d", "<img>", "sunshine"])(
    "refuses %j",
    (typed) => {
      expect(parseMoment(typed, here)).toBeNull();
    },
  );

  it("takes times as the reader's clock shows them", () => {
    const berlin = { ...here, zone: "Europe/Berlin" };
    expect(parseMoment("2025-05-22 05:03", berlin)).toEqual(time("2025-05-22T03:03:00Z"));
    expect(parseMoment("2025-01-22 05:03", berlin)).toEqual(time("2025-01-22T04:03:00Z"));
    expect(parseMoment("2025-05-22 05:03Z", berlin)).toEqual(time("2025-05-22T05:03:00Z"));
    expect(parseMoment("06:00", { ...here, zone: "Asia/Kolkata" })).toEqual(time("2025-05-22T00:30:00Z"));
  });
});

describe("zones", () => {
  it.each(["Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu"])(
    "%s: there and back",
    (zone) => {
      for (let ms = Date.UTC(2025, 0, 1); ms < Date.UTC(2026, 0, 1); ms += 7 * 36e5 + 1234) {
        const back = zonedMs(wallMs(ms, zone), zone);
        expect([0, 36e5, 18e5]).toContain(Math.abs(back - ms));
      }
    },
  );

  it("a skipped hour is an hour later, a doubled one the first", () => {
    expect(zonedMs(Date.UTC(2025, 2, 30, 2, 30), "Europe/Berlin")).toBe(Date.UTC(2025, 2, 30, 1, 30));
    expect(zonedMs(Date.UTC(2025, 9, 26, 2, 30), "Europe/Berlin")).toBe(Date.UTC(2025, 9, 26, 0, 30));
  });

  it("a day begins at midnight of the zone", () => {
    expect(dayStart(Date.UTC(2025, 4, 22, 5), "America/New_York")).toBe(Date.UTC(2025, 4, 22, 4));
  });
});
