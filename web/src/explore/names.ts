/** What the explorer calls metrics, values and differences. */

import { count, percent } from "../numbers.ts";
import { type Condition, OPERATIONS, type Value } from "./question.ts";

const NAMES: Record<string, string> = {
  count: "Events",
  unique_users: "People",
  unique_sessions: "Sessions",
  unique_sources: "Sources",
};
const FUNCTIONS: Record<string, string> = {
  unique: "Different",
  avg: "Mean of",
  min: "Least",
  max: "Most",
  sum: "Sum of",
  dominant: "Usual",
};

/** "People", "Mean of duration", "p95 of data.price" */
export function metricName(metric: string): string {
  const known = NAMES[metric];
  if (known) return known;
  const [head, ...rest] = metric.split("_");
  const field = rest.join("_");
  if (head === undefined || field === "") return metric;
  const words = FUNCTIONS[head] ?? (/^p\d+$/.test(head) ? `${head} of` : head);
  return `${words} ${field}`;
}

/** The functions that a number can be looked at by. */
export const OF_NUMBERS = ["sum", "avg", "p50", "p95", "max", "min"] as const;

export function valueName(value: Value | null): string {
  if (value === null) return "not set";
  return value === "" ? "an empty text" : String(value);
}

export function conditionName({ field, operation, values }: Condition): { field: string; value: string } {
  const values_ = values.map(valueName).join(", ");
  if (operation === "is") return { field, value: values_ };
  return { field, value: `${OPERATIONS[operation]} ${values_}`.trim() };
}

const fine = new Intl.NumberFormat(undefined, { maximumSignificantDigits: 6 });

export function figure(value: number | null): string {
  if (value === null) return "none";
  return Number.isInteger(value) ? count(value) : fine.format(value);
}

/** "+108 %", "−9 %"; nothing where there was nothing to compare with. */
export function change(now: number | null, before: number | null): string {
  if (now === null || before === null || before === 0) return "";
  const share = (now - before) / before;
  return `${share > 0 ? "+" : share < 0 ? "−" : ""}${percent(Math.abs(share))}`;
}
