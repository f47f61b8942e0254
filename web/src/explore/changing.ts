/** What a click does to the explorer's question: it is in the address, and so is a link. */

import { go, path, query, setQuery } from "../state/location.ts";
import { type Condition, conditionText, readCondition } from "./question.ts";

/** Several of one name in the address. */
export function setAll(name: string, texts: readonly string[], others: Record<string, string | null> = {}): void {
  const next = new URLSearchParams(query.value);
  next.delete(name);
  for (const text of texts) next.append(name, text);
  for (const [other, value] of Object.entries(others)) {
    if (value === null) next.delete(other);
    else next.set(other, value);
  }
  go(next.size > 0 ? `${path.value}?${next}` : path.value);
}

/** A condition more; what said something of the same field and operation makes room. */
export function addCondition(added: Condition): void {
  const kept = query.value.getAll("f").filter((text) => {
    const one = readCondition(text);
    return !(one && one.field === added.field && one.operation === added.operation);
  });
  setAll("f", [...kept, conditionText(added)]);
}

export function removeCondition(text: string): void {
  setAll(
    "f",
    query.value.getAll("f").filter((other) => other !== text),
  );
}

export function breakDownBy(field: string | null): void {
  setAll("s", [], field === null ? { by: null } : { by: field });
}

/** Draws a value's line beside the total, or takes it away. */
export function pick(text: string): void {
  const picked = query.value.getAll("s");
  setAll("s", picked.includes(text) ? picked.filter((other) => other !== text) : [...picked, text]);
}

export function setMetrics(metrics: readonly string[]): void {
  setQuery({ m: metrics.length === 1 && metrics[0] === "count" ? null : metrics.join(",") });
}

export function goTo(ms: number | null): void {
  setQuery({ at: ms === null ? null : new Date(ms).toISOString() });
}
