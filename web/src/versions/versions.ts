// The versions of an endpoint as a list: what each changed, how long after the one before it came.

import type { Op } from "../compare/filters.ts";

export interface SnapshotItem {
  id: string;
  captured_at: string;
  size_bytes: number;
  unchanged: boolean;
  source: string | null;
}

export interface DeltaItem {
  id: string;
  kind: string;
  added: number;
  removed: number;
  replaced: number;
  moved: number;
}

/** What a version is beside the one before it. */
export type VersionKind = "content" | "reorder" | "format" | "ignored" | "same" | "first" | "waiting";

export interface Version {
  id: string;
  ms: number;
  bytes: number;
  source: string | null;
  kind: VersionKind;
  counts: Record<Op, number>;
  /** To the version before it; null of the first. */
  gapMs: number | null;
  grownBytes: number | null;
}

const NOTHING: Record<Op, number> = { add: 0, remove: 0, replace: 0, move: 0 };

/** `snapshots`: newest first. `complete`: the last of them is the endpoint's first version. */
export function versionsOf(snapshots: SnapshotItem[], deltas: DeltaItem[], complete: boolean): Version[] {
  const byId = new Map(deltas.map((delta) => [delta.id, delta]));
  return snapshots.map((snapshot, i) => {
    const before = snapshots[i + 1];
    const delta = byId.get(snapshot.id);
    const ms = Date.parse(snapshot.captured_at);
    return {
      id: snapshot.id,
      ms,
      bytes: snapshot.size_bytes,
      source: snapshot.source,
      kind: kindOf(snapshot, delta, before === undefined && complete),
      counts: delta ? countsOf(delta) : NOTHING,
      gapMs: before ? ms - Date.parse(before.captured_at) : null,
      grownBytes: before ? snapshot.size_bytes - before.size_bytes : null,
    };
  });
}

function kindOf(snapshot: SnapshotItem, delta: DeltaItem | undefined, isFirst: boolean): VersionKind {
  if (isFirst) return "first";
  if (delta) return delta.kind as VersionKind;
  return snapshot.unchanged ? "same" : "waiting";
}

export function countsOf(delta: Pick<DeltaItem, "added" | "removed" | "replaced" | "moved">): Record<Op, number> {
  return { add: delta.added, remove: delta.removed, replace: delta.replaced, move: delta.moved };
}

export const KIND_WORDS: Record<VersionKind, string> = {
  content: "changed",
  reorder: "only order",
  format: "only format",
  ignored: "only ignored fields",
  same: "same bytes",
  first: "first version",
  waiting: "not compared yet",
};

/** The gap that most versions have, by which a long one is known. */
export function usualGap(versions: Version[]): number {
  const gaps = versions.flatMap(({ gapMs }) => (gapMs === null ? [] : [gapMs])).sort((a, b) => a - b);
  return gaps[Math.floor(gaps.length / 2)] ?? 0;
}

/** The two versions marked for a comparison, the older one first; a mark again takes it away, a third takes the place of
 * the one of its letter. */
export interface Marks {
  a: string | null;
  b: string | null;
}

export function marked(marks: Marks, letter: "a" | "b", id: string): Marks {
  if (marks[letter] === id) return { ...marks, [letter]: null };
  const other = letter === "a" ? "b" : "a";
  return { ...marks, [letter]: id, [other]: marks[other] === id ? null : marks[other] };
}
