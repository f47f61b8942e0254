// A list of deltas by day of the reader's zone.

import { dayStart } from "../time/moments.ts";

export interface Day<Item> {
  startMs: number;
  items: Item[];
}

/** `items` in the order of time, whichever way. */
export function byDay<Item>(items: Item[], msOf: (item: Item) => number, zone: string): Day<Item>[] {
  const days: Day<Item>[] = [];
  for (const item of items) {
    const startMs = dayStart(msOf(item), zone);
    const last = days.at(-1);
    if (last?.startMs === startMs) last.items.push(item);
    else days.push({ startMs, items: [item] });
  }
  return days;
}

/** Which deltas are listed, as it stands in the address. */
export interface Wanted {
  kind: string;
  field: string;
  min: number;
  range: { from: string; to: string } | null;
}

export const KINDS = ["content", "reorder", "format", "ignored", "all"] as const;

export function wantedOf(query: URLSearchParams): Wanted {
  const kind = query.get("kind") ?? "content";
  const min = Number(query.get("min") ?? 0);
  const [from = "", to = ""] = (query.get("range") ?? "").split("..");
  return {
    kind: (KINDS as readonly string[]).includes(kind) ? kind : "content",
    field: query.get("field") ?? "",
    min: Number.isSafeInteger(min) && min > 0 ? min : 0,
    range: from || to ? { from, to } : null,
  };
}

/** Sets them in an address; what lists every change stays out. */
export function setWanted(query: URLSearchParams, wanted: Wanted): void {
  for (const name of ["kind", "field", "min", "range"]) query.delete(name);
  if (wanted.kind !== "content") query.set("kind", wanted.kind);
  if (wanted.field !== "") query.set("field", wanted.field);
  if (wanted.min > 0) query.set("min", String(wanted.min));
  if (wanted.range) query.set("range", `${wanted.range.from}..${wanted.range.to}`);
}

export function isFiltered(wanted: Wanted): boolean {
  return wanted.kind !== "content" || wanted.field !== "" || wanted.min > 0 || wanted.range !== null;
}

/** The same as options of GET /v1/deltas. */
export function optionsOf(wanted: Wanted): Record<string, string> {
  return {
    kind: wanted.kind,
    ...(wanted.field ? { path: wanted.field } : {}),
    ...(wanted.min > 0 ? { min_changes: String(wanted.min) } : {}),
    ...(wanted.range?.from ? { from: wanted.range.from } : {}),
    ...(wanted.range?.to ? { to: wanted.range.to } : {}),
  };
}
