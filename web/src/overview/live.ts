/** What the stream tells of snapshots and deltas, worked into what is shown. Nothing is asked for again for it. */

import type { Bar } from "../time/bars.ts";
import type { Known, LastDelta, Listed } from "./list.ts";
import type { Grid } from "./pulse.ts";
import type { Bucket } from "./spark.ts";

interface Told {
  endpoint: { id: string; name: string };
}

export interface ToldSnapshot extends Told {
  snapshot: { id: string; captured_at: string; size_bytes: number };
}

export interface ToldDelta extends Told {
  delta: {
    id: string;
    from_snapshot_id: string;
    to_snapshot_id: string;
    captured_at: string;
    kind: string;
    added: number;
    removed: number;
    replaced: number;
    moved: number;
  };
}

/** What came since the last look. */
export interface News {
  snapshots: readonly ToldSnapshot[];
  deltas: readonly ToldDelta[];
  /** An endpoint was made, changed, deleted or restored, or news was missed: the list is to be fetched. */
  afresh: boolean;
  /** News was missed: all is to be fetched. */
  missed: boolean;
}

/** The list with the news in it; null where an endpoint is told of that is not in it, so that it is to be fetched. */
export function withNews(known: Known, news: News, sparkFromMs: number, sparkToMs: number): Known | null {
  if (news.afresh) return null;
  const byId = new Map(known.listed.map((one) => [one.id, one]));
  for (const { endpoint, snapshot } of news.snapshots) {
    const one = byId.get(endpoint.id);
    if (!one) return null;
    byId.set(one.id, withSnapshot(one, snapshot));
  }
  for (const { endpoint, delta } of news.deltas) {
    const one = byId.get(endpoint.id);
    if (!one) return null;
    byId.set(one.id, withDelta(one, delta, sparkFromMs, sparkToMs));
  }
  return { ...known, listed: [...byId.values()], totals: totalsWithNews(known.totals, news) };
}

function totalsWithNews(totals: Known["totals"], { snapshots, deltas }: News): Known["totals"] {
  const sum = { ...totals, versions: totals.versions + snapshots.length, changes: totals.changes + deltas.length };
  for (const { snapshot } of snapshots) {
    const ms = Date.parse(snapshot.captured_at);
    sum.rawBytes += snapshot.size_bytes;
    sum.firstMs = Math.min(sum.firstMs ?? ms, ms);
  }
  for (const { delta } of deltas) sum.dayEdits += delta.added + delta.removed + delta.replaced + delta.moved;
  return sum;
}

function withSnapshot(one: Listed, snapshot: ToldSnapshot["snapshot"]): Listed {
  const ms = Date.parse(snapshot.captured_at);
  const newest = one.lastMs === null || ms >= one.lastMs;
  return {
    ...one,
    versions: one.versions + 1,
    rawBytes: one.rawBytes + snapshot.size_bytes,
    lastMs: newest ? ms : one.lastMs,
    firstMs: Math.min(one.firstMs ?? ms, ms),
    documentBytes: newest ? snapshot.size_bytes : one.documentBytes,
  };
}

function withDelta(one: Listed, delta: ToldDelta["delta"], fromMs: number, toMs: number): Listed {
  const ms = Date.parse(delta.captured_at);
  const newest = one.lastChangeMs === null || ms >= one.lastChangeMs;
  return {
    ...one,
    changes: one.changes + 1,
    lastChangeMs: newest ? ms : one.lastChangeMs,
    lastDelta: newest ? lastDelta(delta) : one.lastDelta,
    spark: bumped(one.spark, delta, (ms - fromMs) / Math.max(1, toMs - fromMs)),
  };
}

export function lastDelta(delta: Omit<ToldDelta["delta"], "captured_at">): LastDelta {
  const { id, kind, added, removed, replaced, moved } = delta;
  return { id, fromId: delta.from_snapshot_id, toId: delta.to_snapshot_id, kind, added, removed, replaced, moved };
}

/** Later than the last bucket counts as in it: the bars are fetched anew now and then. */
function bumped(spark: readonly Bucket[], delta: ToldDelta["delta"], part: number): readonly Bucket[] {
  if (spark.length === 0 || part < 0) return spark;
  const at = Math.min(spark.length - 1, Math.floor(part * spark.length));
  const up = delta.added + delta.replaced + delta.moved;
  return spark.map((bucket, i): Bucket => (i === at ? [bucket[0] + up, bucket[1] + delta.removed] : bucket));
}

/** The pulse with the news in its buckets. */
export function pulseWithNews(bars: readonly Bar[], grid: Grid, deltas: readonly ToldDelta[]): readonly Bar[] {
  const byMs = new Map(bars.map((bar) => [bar.ms, bar]));
  for (const { delta } of deltas) {
    const at = Math.floor((Date.parse(delta.captured_at) - grid.fromMs) / grid.bucketMs);
    const ms = grid.fromMs + at * grid.bucketMs;
    if (at < 0 || ms >= grid.toMs) continue;
    const bar = byMs.get(ms) ?? emptyBar(ms);
    byMs.set(ms, {
      ...bar,
      versions: bar.versions + 1,
      added: bar.added + delta.added,
      removed: bar.removed + delta.removed,
      replaced: bar.replaced + delta.replaced,
      moved: bar.moved + delta.moved,
    });
  }
  return [...byMs.values()].sort((a, b) => a.ms - b.ms);
}

function emptyBar(ms: number): Bar {
  return { ms, id: String(ms), kind: "content", versions: 0, added: 0, removed: 0, replaced: 0, moved: 0 };
}
