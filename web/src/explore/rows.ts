/** What is asked, and what answers are made into. */

import type { Schemas } from "../api.ts";
import { type Condition, pickedText, type Question, type Value } from "./question.ts";

export type Row = Readonly<Record<string, unknown>>;
export type EventJson = Schemas["EventJson"];
export type ServerFilter = readonly unknown[];

export function filtersOf(where: readonly Condition[]): ServerFilter[] {
  return where.map(({ field, operation, values }) => {
    if (operation === "exists" || operation === "missing") return [operation, field];
    return [operation, field, /^[gl]t/.test(operation) ? values[0] : values];
  });
}

/** Events whose `field` is one of these; null stands for what has none. */
export function oneOf(field: string, values: readonly (Value | null)[]): ServerFilter {
  const there = values.filter((value) => value !== null);
  const parts: ServerFilter[] = there.length > 0 ? [["is", field, there]] : [];
  if (there.length < values.length) parts.push(["missing", field]);
  return parts.length === 1 ? (parts[0] as ServerFilter) : ["or", parts];
}

export interface Found {
  /** With texts, true or false, or few numbers: what groups are made of. */
  groups: readonly string[];
  numbers: readonly string[];
}

/** The fields of every event that groups are made of. */
export const COLUMNS = ["eventType", "source", "status", "userId", "sessionId", "tags"] as const;
const DEEPEST = 3;
/** Numbers of so many values are read as names. */
const FEW = 10;

export function fieldsOf(events: readonly EventJson[]): Found {
  const seen = new Map<string, { times: number; values: Set<unknown>; numbers: number }>();
  const note = (field: string, value: unknown) => {
    const one = seen.get(field) ?? { times: 0, values: new Set(), numbers: 0 };
    one.times += 1;
    one.values.add(value);
    if (typeof value === "number") one.numbers += 1;
    seen.set(field, one);
  };
  for (const event of events) {
    for (const name of COLUMNS) {
      const value = event[name];
      if (value !== null && value !== undefined && !(Array.isArray(value) && value.length === 0)) note(name, value);
    }
    if (event.duration !== null && event.duration !== undefined) note("duration", event.duration);
    walk("data", event.data, note, 1);
    walk("metadata", event.metadata, note, 1);
  }
  const ranked = [...seen].sort(([, a], [, b]) => b.times - a.times);
  const groups = ranked.filter(([, { values, numbers, times }]) => numbers < times || values.size <= FEW);
  return {
    groups: sorted(groups.map(([field]) => field).filter((field) => field !== "duration")),
    numbers: ranked.filter(([, { numbers }]) => numbers > 0).map(([field]) => field),
  };
}

/** What identifies one person or session is no value many share: it comes last. */
function sorted(fields: string[]): string[] {
  const last = (field: string) => (field === "userId" || field === "sessionId" ? 1 : 0);
  return fields.sort((a, b) => last(a) - last(b));
}

function walk(prefix: string, value: unknown, note: (field: string, value: unknown) => void, depth: number): void {
  if (value === null || typeof value !== "object" || Array.isArray(value)) return;
  for (const [name, inner] of Object.entries(value)) {
    if (name === "" || name.length > 100) continue;
    const field = `${prefix}.${name.replace(/[\\.]/g, "\\$&")}`;
    if (inner !== null && typeof inner === "object") {
      if (depth < DEEPEST) walk(field, inner, note, depth + 1);
    } else if (inner !== null) note(field, inner);
  }
}

export function numberOf(row: Row | undefined, metric: string): number | null {
  const value = row?.[metric];
  return typeof value === "number" ? value : null;
}

/** What the range before had in its place. */
export function before(row: Row | undefined, metric: string): number | null {
  const previous = row?.previous;
  return previous !== null && typeof previous === "object" ? numberOf(previous as Row, metric) : null;
}

/** The values of a metric by bucket, of each group of `by` that rows have. */
export function linesBy(
  rows: readonly Row[],
  question: Question,
  timesMs: readonly number[],
): Map<string, (number | null)[]> {
  const places = new Map(timesMs.map((ms, i) => [ms, i]));
  const counts = isCounted(question.metrics[0] as string);
  const found = new Map<string, (number | null)[]>();
  for (const row of rows) {
    const name = pickedText(row[question.by as string] as Value | null);
    const values = found.get(name) ?? timesMs.map(() => (counts ? 0 : null));
    const place = places.get(Date.parse(row.time as string));
    if (place !== undefined) values[place] = numberOf(row, question.metrics[0] as string);
    found.set(name, values);
  }
  return found;
}

/** Whether nothing there is 0, rather than no value. */
export function isCounted(metric: string): boolean {
  return metric === "count" || metric.startsWith("unique_") || metric.startsWith("sum_");
}

/** Whether the parts make the whole: a person who is in two groups counts in both. */
export function addsUp(metric: string): boolean {
  return metric === "count" || metric.startsWith("sum_");
}
