/** Lately: deltas of all endpoints, the newest first, by minute. News waits while somebody reads. */

import type { Row } from "../compare/lines.ts";

/** So many endpoints can be followed apart: each is a request. */
export const MOST_FOLLOWED = 8;

/** The endpoints that an address narrows the list to, all where it names none: `quakes,prices`. */
export function feedOf(text: string | null): readonly string[] {
  const names = (text ?? "").split(",").map(decoded).filter(Boolean);
  return [...new Set(names)].slice(0, MOST_FOLLOWED);
}

/** As it stands in an address; null of all. */
export function feedText(names: readonly string[]): string | null {
  return names.length > 0 ? names.map(encodeURIComponent).join(",") : null;
}

function decoded(name: string): string {
  try {
    return decodeURIComponent(name);
  } catch {
    return name; // a percent sign that encodes nothing
  }
}

export interface Item {
  id: string;
  endpoint: string;
  atMs: number;
  fromId: string;
  toId: string;
  kind: string;
  changes: number;
  rows: readonly Row[];
}

/** So many are kept: a page that stays open for days holds no more than one that was just opened. */
export const MOST = 60;

export interface Feed {
  items: readonly Item[];
  /** What came while the pointer was inside. */
  waiting: readonly Item[];
}

export const EMPTY: Feed = { items: [], waiting: [] };

/** Puts news in, or lets it wait. What comes a second time is as it came last. */
export function arrived(feed: Feed, news: readonly Item[], reading: boolean): Feed {
  if (news.length === 0) return feed;
  if (reading) {
    const known = new Set(feed.items.map((item) => item.id));
    return {
      ...feed,
      waiting: merged(
        feed.waiting,
        news.filter((item) => !known.has(item.id)),
      ),
    };
  }
  return { items: merged(feed.items, [...feed.waiting, ...news]), waiting: [] };
}

export function released(feed: Feed): Feed {
  return feed.waiting.length > 0 ? arrived(feed, feed.waiting, false) : feed;
}

function merged(before: readonly Item[], news: readonly Item[]): Item[] {
  const byId = new Map(before.map((item) => [item.id, item]));
  for (const item of news) byId.set(item.id, item);
  return [...byId.values()].sort((a, b) => b.atMs - a.atMs || (a.id < b.id ? 1 : -1)).slice(0, MOST);
}

export interface Minute {
  atMs: number;
  items: Item[];
}

export function minutes(items: readonly Item[]): Minute[] {
  const found: Minute[] = [];
  for (const item of items) {
    const atMs = Math.floor(item.atMs / 60_000) * 60_000;
    const last = found.at(-1);
    if (last?.atMs === atMs) last.items.push(item);
    else found.push({ atMs, items: [item] });
  }
  return found;
}

const QUIET: Record<string, string> = {
  reorder: "only the order of members",
  format: "only how it is written",
  ignored: "only what is ignored",
};

/** What a delta of no shown change is called. */
export function quietWords(kind: string): string {
  return QUIET[kind] ?? "nothing that is compared";
}
