/** A question to the events while it is edited as parts: what is counted, of which events, how often. */

import type { Draft } from "./rule.ts";

export type Query = NonNullable<Draft["query"]>;

/** A condition on events, as it is typed. */
export interface Where {
  field: string;
  op: string;
  value: string;
}

export interface Question {
  what: string;
  /** Of what, unless events are counted. */
  field: string;
  where: readonly Where[];
  every: string;
  timezone: string;
}

/** What there is to count, before the field it is of. */
export const WHATS: Readonly<Record<string, string>> = {
  count: "the events",
  unique: "different values of",
  sum: "the sum of",
  avg: "the average of",
  min: "the least of",
  max: "the most of",
  p50: "the median of",
  p95: "the 95th percentile of",
  p99: "the 99th percentile of",
};

export const WHERE_OPS: Readonly<Record<string, string>> = {
  is: "is",
  is_not: "is not",
  contains: "contains",
  starts_with: "starts with",
  gt: "over",
  gte: "at least",
  lt: "under",
  lte: "at most",
  exists: "is there",
  missing: "is missing",
};

/** The lengths of a step, as the server takes them. */
export const EVERY = {
  "1m": "minute",
  "5m": "5 minutes",
  "15m": "15 minutes",
  "30m": "half hour",
  "1h": "hour",
  "6h": "6 hours",
  "12h": "12 hours",
  "1d": "day",
} as const;

export const FIELDS = [
  "eventType",
  "source",
  "userId",
  "anonymousId",
  "sessionId",
  "status",
  "tags",
  "duration",
  "priority",
] as const;
const OF_NUMBERS: readonly string[] = ["duration", "priority"];
/** As metrics call the fields that everybody counts. */
const SHORT: Readonly<Record<string, string>> = { source: "sources", userId: "users", sessionId: "sessions" };
const LONG: Readonly<Record<string, string>> = Object.fromEntries(Object.entries(SHORT).map(([a, b]) => [b, a]));
/** What a saved rule says where nothing was said. */
const PLAIN: Readonly<Record<string, unknown>> = { timezone: "UTC", weekStart: "monday" };

/** Without what says nothing: two that mean the same are the same text. A rule of what is usual has hours, and no range. */
export function plainQuery(query: Query, kind: Draft["kind"]): Query {
  const kept = Object.entries(query).filter(
    ([name, value]) =>
      value !== null &&
      value !== undefined &&
      !(Array.isArray(value) && value.length === 0) &&
      PLAIN[name] !== value &&
      !(kind === "usual" && name === "range"),
  );
  return Object.fromEntries(kept.sort(([a], [b]) => (a < b ? -1 : 1))) as Query;
}

/** Null where it says more than the parts can. */
export function questionOf(query: Query): Question | null {
  const { metrics, range, filters, timezone, ...others } = plainQuery(query, "metric") as Record<string, unknown>;
  const metric = metrics === undefined ? "count" : Array.isArray(metrics) && metrics.length === 1 ? metrics[0] : null;
  const counted = typeof metric === "string" ? countedOf(metric) : null;
  const where = (Array.isArray(filters) ? filters : []).map(whereOf);
  if (counted === null || where.includes(null) || Object.keys(others).length > 0) return null;
  if (range !== undefined && typeof range !== "string") return null;
  return { ...counted, where: where as Where[], every: range ?? "1h", timezone: String(timezone ?? "UTC") };
}

/** A condition without its value is not asked yet. */
export function queryOf(question: Question, kind: Draft["kind"]): Query {
  const { what, field, where, every, timezone } = question;
  const short = what === "unique" ? (SHORT[field] ?? field) : field;
  const query = {
    metrics: [what === "count" ? "count" : `${what}_${short}`],
    range: every,
    filters: where
      .filter(isWhole)
      .map(({ field: of, op, value }) => (isOfPresence(op) ? [op, of] : [op, of, sent(of, op, value)])),
    timezone,
  };
  return plainQuery(query as Query, kind);
}

export function isOfPresence(op: string): boolean {
  return op === "exists" || op === "missing";
}

/** Another thing to count keeps its field where that has it. */
export function withWhat(question: Question, what: string): Question {
  const { field } = question;
  if (what === "count") return { ...question, what, field: "" };
  if (what === "unique") return { ...question, what, field: field || "userId" };
  const isOfNumbers = OF_NUMBERS.includes(field) || field.startsWith("data.") || field.startsWith("metadata.");
  return { ...question, what, field: isOfNumbers ? field : "duration" };
}

/** In words, as a list shows it: "the sum of data.total where eventType is order". */
export function questionText(query: Query): string {
  const question = questionOf(query);
  if (question === null) return "a question to the events";
  const where = question.where.map(({ field, op, value }) => `${field} ${WHERE_OPS[op]} ${value}`.trim());
  const what = `${WHATS[question.what]} ${question.field}`.trim();
  return where.length > 0 ? `${what} where ${where.join(" and ")}` : what;
}

function countedOf(metric: string): Pick<Question, "what" | "field"> | null {
  if (metric === "count") return { what: "count", field: "" };
  const cut = metric.indexOf("_");
  const [what, field] = [metric.slice(0, cut), metric.slice(cut + 1)];
  if (!Object.hasOwn(WHATS, what) || what === "count") return null;
  return { what, field: what === "unique" ? (LONG[field] ?? field) : field };
}

function whereOf(filter: unknown): Where | null {
  if (!Array.isArray(filter)) return null;
  const [op, field, given] = filter;
  const value = Array.isArray(given) && given.length === 1 ? given[0] : given;
  if (typeof op !== "string" || !Object.hasOwn(WHERE_OPS, op) || typeof field !== "string") return null;
  if (isOfPresence(op)) return filter.length === 2 ? { field, op, value: "" } : null;
  return filter.length === 3 && value !== null && typeof value !== "object"
    ? { field, op, value: shown(field, op, value) }
    : null;
}

function isWhole({ field, op, value }: Where): boolean {
  return field !== "" && (value !== "" || isOfPresence(op));
}

/** What is in data is compared with numbers, true and false too; a text that looks like one stands in quotes. */
function sent(field: string, op: string, value: string): unknown {
  if (OF_NUMBERS.includes(field) || ["gt", "gte", "lt", "lte"].includes(op)) {
    return value.trim() !== "" && Number.isFinite(Number(value)) ? Number(value) : value;
  }
  return isOfData(field) && ["is", "is_not"].includes(op) ? (literal(value) ?? value) : value;
}

function shown(field: string, op: string, value: unknown): string {
  if (typeof value !== "string") return String(value);
  return isOfData(field) && ["is", "is_not"].includes(op) && literal(value) !== null ? JSON.stringify(value) : value;
}

function literal(text: string): string | number | boolean | null {
  try {
    const found: unknown = JSON.parse(text);
    return typeof found === "string" || typeof found === "number" || typeof found === "boolean" ? found : null;
  } catch {
    return null;
  }
}

function isOfData(field: string): boolean {
  return field.startsWith("data.") || field.startsWith("metadata.");
}
