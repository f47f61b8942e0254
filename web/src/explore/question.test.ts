import { describe, expect, it } from "vitest";
import { type Condition, conditionText, pickedText, pickedValue, readCondition, readQuestion } from "./question.ts";

const NOW = Date.parse("2026-05-08T12:34:56Z");
const read = (text: string, zone = "UTC") => readQuestion(new URLSearchParams(text), zone, NOW);
const iso = (ms: number) => new Date(ms).toISOString();

describe("conditions", () => {
  const rows: Condition[] = [
    { field: "eventType", operation: "is", values: ["page_view"] },
    { field: "data.a:b", operation: "is_not", values: ["x,y", "=5", "\\", ""] },
    { field: "data.bot", operation: "is", values: [false, true, 4.5, "false", "4.5"] },
    { field: "duration", operation: "gte", values: [100] },
    { field: "data.q\\.r", operation: "exists", values: [] },
    { field: "data.path", operation: "contains", values: ["/a b/ü?&#"] },
  ];
  it.each(rows)("come back from an address: %j", (row) => {
    const asked = new URLSearchParams([["f", conditionText(row)]]).toString();
    expect(readCondition(new URLSearchParams(asked).get("f") as string)).toEqual(row);
  });

  it.each(["", "a", "a:b", "a:equals:b", ":is:b", "a:is", "a:is:b:c"])("that are none are left out: %s", (text) => {
    expect(readCondition(text)).toBeNull();
  });

  it.each([null, "", "~", "=5", 5, true, "a,b"])("and so does a value that is drawn: %j", (value) => {
    if (value !== "~") expect(pickedValue(pickedText(value))).toEqual(value);
  });
});

describe("the range", () => {
  it("is seven days by the hour, whole buckets up to the one that runs", () => {
    const { range, each, span } = read("");
    expect([range, each, iso(span.fromMs), iso(span.toMs)]).toEqual([
      "7d",
      "1h",
      "2026-05-01T13:00:00.000Z",
      "2026-05-08T13:00:00.000Z",
    ]);
  });

  it("begins its days where the reader's begin", () => {
    const { each, span } = read("range=30d", "Asia/Kolkata");
    expect([each, iso(span.fromMs), iso(span.toMs)]).toEqual([
      "6h",
      "2026-04-08T18:00:00.000Z",
      "2026-05-08T18:00:00.000Z",
    ]);
    expect(iso(read("range=30d&each=1d", "Asia/Kolkata").span.toMs)).toBe("2026-05-08T18:30:00.000Z");
  });

  it("takes a zoomed stretch as it is, and no buckets that are too many", () => {
    const { range, each, span } = read("range=2026-05-01T00:00Z..2026-05-01T06:00Z&each=1w");
    expect([range, each, iso(span.fromMs)]).toEqual([null, "15m", "2026-05-01T00:00:00.000Z"]);
    expect(read("range=1y&each=1m").each).toBe("1w");
  });
});

it("falls back on what there is", () => {
  const { metrics, draw, by, atMs, isCompared } = read("m=&draw=pie&by=&at=soon&vs=next");
  expect([metrics, draw, by, atMs, isCompared]).toEqual([["count"], "line", null, null, false]);
});
