/** The explorer's question as its address has it, so that a link carries all of it. */

import { spanOf } from "../overview/pulse.ts";
import type { Span } from "../time/bars.ts";
import { dayStart } from "../time/moments.ts";

export type Value = string | number | boolean;

export const OPERATIONS = {
  is: "is",
  is_not: "is not",
  contains: "contains",
  not_contains: "does not contain",
  starts_with: "starts with",
  ends_with: "ends with",
  gt: "is over",
  gte: "is at least",
  lt: "is under",
  lte: "is at most",
  exists: "is there",
  missing: "is not there",
} as const;
export type Operation = keyof typeof OPERATIONS;

export interface Condition {
  field: string;
  operation: Operation;
  values: readonly Value[];
}

export const DRAWN = { line: "Line", stack: "Stack", bars: "Bars", table: "Table", number: "Number" } as const;
export type Drawn = keyof typeof DRAWN;

export const RANGES = { "24h": "24 h", "7d": "7 d", "30d": "30 d", "1y": "1 y" } as const;
export type Range = keyof typeof RANGES;
/** As the server reads them. */
export const AGES: Readonly<Record<Range, string>> = { "24h": "24h", "7d": "7d", "30d": "30d", "1y": "365d" };
const USUAL_RANGE: Range = "7d";

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;
const LENGTHS: Record<Range, number> = { "24h": DAY, "7d": 7 * DAY, "30d": 30 * DAY, "1y": 365 * DAY };

/** Buckets of time: their name in the address and for the server, how they are called, and how long they are. */
export const EACH = [
  ["1m", "minute", MINUTE],
  ["15m", "15 minutes", 15 * MINUTE],
  ["1h", "hour", HOUR],
  ["6h", "6 hours", 6 * HOUR],
  ["1d", "day", DAY],
  ["1w", "week", 7 * DAY],
  ["month", "month", 30 * DAY],
] as const;
export type Each = (typeof EACH)[number][0];
/** So many buckets are still drawn, and as few as this are none. */
const MOST = 1500;
const FEW = 100;

export interface Question {
  /** The first is drawn. */
  metrics: readonly string[];
  by: string | null;
  where: readonly Condition[];
  each: Each;
  range: Range | null;
  span: Span;
  isCompared: boolean;
  draw: Drawn;
  /** When the bucket begins that is looked into. */
  atMs: number | null;
  /** Values of `by` whose lines are drawn beside the total, as the address has them. */
  picked: readonly string[];
  zone: string;
}

export function readQuestion(asked: URLSearchParams, zone: string, nowMs: number): Question {
  const typed = spanOf(asked.get("range"));
  const named = asked.get("range") ?? USUAL_RANGE;
  const range = typed ? null : named in RANGES ? (named as Range) : USUAL_RANGE;
  const length = typed ? typed.toMs - typed.fromMs : LENGTHS[range ?? USUAL_RANGE];
  const each = eachOf(asked.get("each"), length);
  const draw = asked.get("draw") ?? "line";
  const metrics = (asked.get("m") ?? "count").split(",").filter(Boolean);
  const at = Date.parse(asked.get("at") ?? "");
  return {
    metrics: metrics.length > 0 ? metrics : ["count"],
    by: asked.get("by") || null,
    where: asked.getAll("f").flatMap((text) => readCondition(text) ?? []),
    each,
    range,
    span: typed ?? stretch(length, each, zone, nowMs),
    isCompared: asked.get("vs") === "previous",
    draw: draw in DRAWN ? (draw as Drawn) : "line",
    atMs: Number.isNaN(at) ? null : at,
    picked: asked.getAll("s"),
    zone,
  };
}

/** The buckets that a range of this length can be cut into. */
export function offered(lengthMs: number): readonly (typeof EACH)[number][] {
  return EACH.filter(([, , ms]) => lengthMs / ms <= MOST && ms <= lengthMs);
}

function eachOf(asked: string | null, lengthMs: number): Each {
  const fitting = offered(lengthMs);
  const chosen = fitting.find(([name]) => name === asked);
  if (chosen) return chosen[0];
  const finest = fitting.filter(([, , ms]) => lengthMs / ms <= 2 * FEW);
  return (finest[0] ?? fitting.at(-1) ?? EACH[0])[0];
}

export function eachMs(each: Each): number {
  return (EACH.find(([name]) => name === each) as (typeof EACH)[number])[2];
}

/** "hour", as in "in this hour". */
export function eachName(each: Each): string {
  return (EACH.find(([name]) => name === each) as (typeof EACH)[number])[1];
}

/** Whole buckets up to the one that runs: days begin where the reader's do. */
function stretch(lengthMs: number, each: Each, zone: string, nowMs: number): Span {
  const ms = eachMs(each);
  if (ms >= DAY) {
    const tomorrow = dayStart(dayStart(nowMs, zone) + 1.5 * DAY, zone);
    return { fromMs: dayStart(tomorrow - lengthMs + DAY / 2, zone), toMs: tomorrow };
  }
  const toMs = (Math.floor(nowMs / ms) + 1) * ms;
  return { fromMs: toMs - lengthMs, toMs };
}

/** `FIELD:is:VALUE,VALUE`: a backslash stands before what would end a part; `=` before a number, true and false. */
export function conditionText({ field, operation, values }: Condition): string {
  const written = values.map((value) => (typeof value === "string" ? textPart(value) : `=${value}`));
  return [escaped(field), operation, written.join(",")].join(":");
}

function textPart(value: string): string {
  const text = escaped(value);
  return text.startsWith("=") ? `\\${text}` : text;
}

function escaped(text: string): string {
  return text.replace(/[\\:,]/g, "\\$&");
}

/** null where the text is none. */
export function readCondition(text: string): Condition | null {
  const [field, operation, written, ...more] = parts(text, ":");
  if (!field || operation === undefined || !(operation in OPERATIONS) || more.length > 0) return null;
  const takesNone = operation === "exists" || operation === "missing";
  const values = takesNone || written === undefined ? [] : parts(written, ",").map(readValue);
  if (!takesNone && written === undefined) return null;
  return { field: plain(field), operation: operation as Operation, values };
}

function readValue(text: string): Value {
  if (!text.startsWith("=")) return plain(text);
  const rest = text.slice(1);
  if (rest === "true" || rest === "false") return rest === "true";
  return Number.isNaN(Number(rest)) ? plain(rest) : Number(rest);
}

function parts(text: string, between: string): string[] {
  const found = [""];
  for (let i = 0; i < text.length; i += 1) {
    const letter = text[i] as string;
    const last = found.length - 1;
    if (letter === "\\") {
      found[last] += letter + (text[i + 1] ?? "");
      i += 1;
    } else if (letter === between) found.push("");
    else found[last] += letter;
  }
  return found;
}

function plain(text: string): string {
  return text.replace(/\\(.)/gs, "$1");
}

/** What the address of a value of `by` is: of nothing there, `missing`. */
export function pickedText(value: Value | null): string {
  return value === null ? "~" : typeof value === "string" ? textPart(value) : `=${value}`;
}

export function pickedValue(text: string): Value | null {
  return text === "~" ? null : readValue(text);
}
