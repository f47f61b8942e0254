/** The values that a place had, as the panel walks them. */

import { children, memberName, rawText, unquoted } from "./nodes";
import { Places } from "./places";
import { scan } from "./scan";

export interface ValueTime {
  id: string;
  ms: number;
  /** As its document writes it; null where it was not there. */
  text: string | null;
}

export interface ValueHistory {
  path: string;
  /** In the order of time. */
  values: ValueTime[];
  changes: number;
  share: number | null;
  fromMs: number;
  toMs: number;
  loading: boolean;
}

/** The rows of an answer of /history, read from its bytes: values keep all their digits. */
export function readHistory(bytes: Uint8Array): {
  values: ValueTime[];
  total: number | null;
  share: number | null;
  next: string | null;
} {
  const answer = scan(bytes);
  const read = new Places(answer);
  const data = read.resolve("/data");
  const values: ValueTime[] = [];
  for (const row of data < 0 ? [] : children(answer, data)) {
    const given = new Map([...children(answer, row)].map((node) => [memberName(answer, node), rawText(answer, node)]));
    const value = given.get("value");
    values.push({
      id: unquoted(given.get("snapshot_id") ?? '""'),
      ms: Date.parse(unquoted(given.get("captured_at") ?? '""')),
      text: value ?? null,
    });
  }
  const number = (path: string): number | null => {
    const at = read.resolve(path);
    const text = at < 0 ? "null" : rawText(answer, at);
    return text === "null" ? null : Number(text);
  };
  const next = read.resolve("/next_cursor");
  const cursor = next < 0 ? "null" : rawText(answer, next);
  return {
    values,
    total: number("/total"),
    share: number("/share"),
    next: cursor === "null" ? null : unquoted(cursor),
  };
}

/** The place of the value in force at a time; -1 before the first. */
export function valueAt(values: readonly ValueTime[], ms: number): number {
  let low = 0;
  let high = values.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((values[middle] as ValueTime).ms <= ms) low = middle + 1;
    else high = middle;
  }
  return low - 1;
}

export function numberOf({ text }: ValueTime): number | null {
  return text !== null && /^-?\d/.test(text) ? Number(text) : null;
}
