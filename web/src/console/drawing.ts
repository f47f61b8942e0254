/** A result as a drawing: numbers along times, or bars by a text. */

import type { Plot } from "../charts/model.ts";
import type { Row } from "../explore/rows.ts";

export interface Column {
  name: string;
  type: string;
}

export type Drawing =
  | { kind: "times"; plot: Plot }
  | { kind: "bars"; label: string; value: string; rows: readonly { label: string; value: number }[] };

const NUMBER = /^(?:U?(?:TINY|SMALL|BIG|HUGE)?INT(?:EGER)?|DOUBLE|FLOAT|REAL|DECIMAL\(.*\))$/i;
const TIME = /^(?:TIMESTAMP|DATE$)/i;
/** So many bars are read by anybody. */
const MOST_BARS = 100;
const MOST_LINES = 12;

/** null where there is nothing to draw: no number beside a time or a text. */
export function drawingOf(columns: readonly Column[], rows: readonly Row[]): Drawing | null {
  const numbers = columns.filter(({ type }) => NUMBER.test(type));
  const time = columns.find(({ type }) => TIME.test(type));
  if (numbers.length === 0 || rows.length === 0) return null;
  if (time) return { kind: "times", plot: alongTimes(time.name, numbers.slice(0, MOST_LINES), rows) };
  const label = columns.find(({ type }) => !NUMBER.test(type));
  const value = numbers[0] as Column;
  if (!label) return null;
  const bars = rows
    .slice(0, MOST_BARS)
    .map((row) => ({ label: textOf(row[label.name]), value: numeric(row[value.name]) ?? 0 }));
  return { kind: "bars", label: label.name, value: value.name, rows: bars };
}

function alongTimes(time: string, numbers: readonly Column[], rows: readonly Row[]): Plot {
  const dated = rows
    .map((row) => ({ row, ms: msOf(row[time]) }))
    .filter(({ ms }) => !Number.isNaN(ms))
    .sort((a, b) => a.ms - b.ms);
  const lines = numbers.map(({ name }) => ({
    name,
    field: name,
    record: null,
    values: dated.map(({ row }) => numeric(row[name])),
  }));
  return { unit: numbers.map(({ name }) => name).join(", "), timesMs: dated.map(({ ms }) => ms), lines, leftOff: 0 };
}

/** Times come as texts in UTC, with or without saying so. */
function msOf(value: unknown): number {
  if (typeof value !== "string") return Number.NaN;
  const text = value.replace(" ", "T");
  return Date.parse(/^\d{4}-\d\d-\d\d$|(?:Z|T.*[+-]\d\d:\d\d)$/.test(text) ? text : `${text}Z`);
}

/** Numbers that JSON would shorten come as texts. */
function numeric(value: unknown): number | null {
  const number = typeof value === "string" ? Number(value) : value;
  return typeof number === "number" && Number.isFinite(number) ? number : null;
}

export function textOf(value: unknown): string {
  if (value === null || value === undefined) return "";
  return typeof value === "string" ? value : JSON.stringify(value);
}
