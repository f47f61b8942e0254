/** The list of endpoints: what is shown of it, in which order, and which are quieter than usual. All in memory. */

import { fold } from "../folding.ts";
import type { Bucket } from "./spark.ts";

export interface LastDelta {
  id: string;
  fromId: string;
  toId: string;
  kind: string;
  added: number;
  removed: number;
  replaced: number;
  moved: number;
}

export interface Listed {
  id: string;
  name: string;
  description: string;
  lastMs: number | null;
  firstMs: number | null;
  versions: number;
  changes: number;
  rawBytes: number;
  storedBytes: number;
  /** Of the document as it is now; null where the server does not tell. */
  documentBytes: number | null;
  lastDelta: LastDelta | null;
  lastChangeMs: number | null;
  spark: readonly Bucket[];
}

export const SORTS = { changed: "Last changed", name: "Name", size: "Size" } as const;
export type Sort = keyof typeof SORTS;

export function isSort(text: string | undefined): text is Sort {
  return text !== undefined && Object.hasOwn(SORTS, text);
}

const BY: Record<Sort, (a: Listed, b: Listed) => number> = {
  changed: (a, b) => (b.lastChangeMs ?? b.lastMs ?? 0) - (a.lastChangeMs ?? a.lastMs ?? 0),
  name: () => 0,
  size: (a, b) => b.storedBytes - a.storedBytes,
};

/** Those whose name or description has every word of `sought`. */
export function shown(all: readonly Listed[], sought: string, sort: Sort): Listed[] {
  const words = fold(sought).split(/\s+/).filter(Boolean);
  const found = all.filter(({ name, description }) => {
    const text = fold(`${name} ${description}`);
    return words.every((word) => text.includes(word));
  });
  return found.sort((a, b) => BY[sort](a, b) || byName(a.name, b.name));
}

function byName(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

const FEWEST = 4;
const LEAST_MS = 60_000;

/** How often something usually comes, where nothing has come for three times as long; else null. */
export function usualMs(one: Listed, nowMs: number): number | null {
  if (one.lastMs === null || one.firstMs === null || one.versions < FEWEST) return null;
  const usual = (one.lastMs - one.firstMs) / (one.versions - 1);
  const silent = nowMs - one.lastMs;
  return usual > 0 && silent > LEAST_MS && silent > usual * 3 ? usual : null;
}

/** Of all endpoints of the project, also of those that are not fetched yet. */
export interface Totals {
  endpoints: number;
  versions: number;
  changes: number;
  rawBytes: number;
  storedBytes: number;
  firstMs: number | null;
  /** Values that were added, changed, moved or removed within a day. */
  dayEdits: number;
}

/** What is known of a project's endpoints: the first of them in some order, until all are asked for. */
export interface Known {
  listed: readonly Listed[];
  totals: Totals;
  isWhole: boolean;
}
