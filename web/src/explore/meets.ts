/** Whether an event that the stream brings meets conditions, as the server decides it of those that are kept. */

import type { Condition, Value } from "./question.ts";
import type { EventJson } from "./rows.ts";

export function meetsAll(event: EventJson, conditions: readonly Condition[], words: readonly string[]): boolean {
  if (!conditions.every((each) => meets(event, each))) return false;
  if (words.length === 0) return true;
  const text = JSON.stringify(event).toLowerCase();
  return words.every((word) => text.includes(word));
}

export function wordsOf(typed: string): string[] {
  return typed.toLowerCase().split(/\s+/).filter(Boolean);
}

function meets(event: EventJson, { field, operation, values }: Condition): boolean {
  const found = valuesAt(event, field);
  if (operation === "exists") return found.length > 0;
  if (operation === "missing") return found.length === 0;
  if (operation === "is_not" || operation === "not_contains") {
    const positive = operation === "is_not" ? "is" : "contains";
    return found.length > 0 && !found.some((value) => holds(positive, value, values));
  }
  return found.some((value) => holds(operation, value, values));
}

function holds(operation: Condition["operation"], found: unknown, values: readonly Value[]): boolean {
  const text = String(found);
  const number = Number(found);
  return values.some((value) => {
    if (operation === "is") return text === String(value);
    if (operation === "contains") return text.includes(String(value));
    if (operation === "starts_with") return text.startsWith(String(value));
    if (operation === "ends_with") return text.endsWith(String(value));
    if (text === "" || Number.isNaN(number)) return false;
    if (operation === "gt") return number > Number(value);
    if (operation === "gte") return number >= Number(value);
    return operation === "lt" ? number < Number(value) : number <= Number(value);
  });
}

/** What stands at a field: several of a list, none where there is nothing. */
function valuesAt(event: EventJson, field: string): unknown[] {
  const names = field.match(/(?:[^.\\]|\\.)+/g)?.map((name) => name.replace(/\\(.)/g, "$1")) ?? [];
  let found: unknown = event;
  for (const name of names) {
    if (found === null || typeof found !== "object" || !Object.hasOwn(found, name)) return [];
    found = (found as Record<string, unknown>)[name];
  }
  if (found === null || found === undefined) return [];
  return Array.isArray(found) ? found : [found];
}

/** The newest first, each once, so many at most. */
export function joined(news: readonly EventJson[], before: readonly EventJson[], most: number): EventJson[] {
  const seen = new Set<string>();
  const all: EventJson[] = [];
  for (const event of [...news, ...before]) {
    if (seen.has(event.messageId)) continue;
    seen.add(event.messageId);
    all.push(event);
    if (all.length === most) break;
  }
  return all;
}
