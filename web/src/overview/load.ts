/** What the overview asks of the server, as it is drawn. */

import { get, Problem, raw } from "../api.ts";
import { parseKeeping } from "../compare/exact.ts";
import type { Row } from "../compare/lines.ts";
import type { Bar, Span } from "../time/bars.ts";
import type { Item } from "./feed.ts";
import type { Known, Listed, Sort, Totals } from "./list.ts";
import { lastDelta } from "./live.ts";
import type { Grid } from "./pulse.ts";
import { keyText } from "./rowtext.ts";

/** So many buckets have the small bars of a row: of 9 days each is of 3 hours. */
export const SPARK = 72;
const ROWS = 3;
const LATELY = 20;

type Page = Awaited<ReturnType<typeof page>>;
type Endpoint = Page["data"][number];

const HOUR = 3_600_000;

/** What the small bars show: whole hours, up to the one that runs. */
export function sparkSpan(nowMs: number): Span {
  const toMs = Math.ceil((nowMs + 1) / HOUR) * HOUR;
  return { fromMs: toMs - SPARK * 3 * HOUR, toMs };
}

/** So many are fetched at first: more than a window shows, and a tenth of what a thousand would take. */
const FIRST = 100;
const MOST_AT_ONCE = 1000;

interface Asked {
  sort: Sort;
  limit: number;
  cursor: string | null;
}

function page(project: string, { sort, limit, cursor }: Asked, signal: AbortSignal) {
  const { fromMs, toMs } = sparkSpan(Date.now());
  const query = {
    include: cursor === null ? "summary,totals" : "summary",
    spark: SPARK,
    from: at(fromMs),
    to: at(toMs),
    sort,
    limit,
    ...(cursor === null ? {} : { cursor }),
  } as const;
  return get("/v1/endpoints", { in: project, query, signal });
}

/** The first of them in an order, and what all have together. */
export async function loadFirst(project: string, sort: Sort, signal: AbortSignal): Promise<Known> {
  const part = await page(project, { sort, limit: FIRST, cursor: null }, signal);
  return { listed: part.data.map(listed), totals: totalsOf(part), isWhole: !part.has_more };
}

/** All of them, one request for each thousand; by name, which no news reorders meanwhile. */
export async function loadAll(project: string, signal: AbortSignal): Promise<Known> {
  const found: Listed[] = [];
  let totals: Totals | null = null;
  for (let cursor: string | null = null; ; ) {
    const part: Page = await page(project, { sort: "name", limit: MOST_AT_ONCE, cursor }, signal);
    found.push(...part.data.map(listed));
    totals ??= totalsOf(part);
    if (!part.has_more || !part.next_cursor) return { listed: found, totals, isWhole: true };
    cursor = part.next_cursor;
  }
}

function totalsOf({ totals }: Page): Totals {
  return {
    endpoints: totals?.endpoints ?? 0,
    versions: totals?.versions ?? 0,
    changes: totals?.changes ?? 0,
    rawBytes: totals?.raw_bytes ?? 0,
    storedBytes: totals?.stored_bytes ?? 0,
    firstMs: time(totals?.first_captured_at),
    dayEdits: totals?.edits_last_day ?? 0,
  };
}

function listed(one: Endpoint): Listed {
  return {
    id: one.id,
    name: one.name,
    description: one.description,
    lastMs: time(one.last_captured_at),
    firstMs: time(one.first_captured_at),
    versions: one.versions ?? 0,
    changes: one.changes ?? 0,
    rawBytes: one.raw_bytes ?? 0,
    storedBytes: one.stored_bytes ?? 0,
    documentBytes: one.size_bytes ?? null,
    lastDelta: one.last_delta ? lastDelta(one.last_delta) : null,
    lastChangeMs: time(one.last_delta?.captured_at),
    spark: (one.spark ?? []) as Listed["spark"],
  };
}

export async function loadPulse(project: string, grid: Grid, signal: AbortSignal): Promise<Bar[]> {
  const buckets = Math.round((grid.toMs - grid.fromMs) / grid.bucketMs);
  const query = { from: at(grid.fromMs), to: at(grid.toMs), buckets };
  const answer = await get("/v1/projects/{project_id}/timeline", { path: { project_id: project }, query, signal });
  return answer.data.map((bar) => ({
    ms: Date.parse(bar.time),
    id: bar.time,
    kind: "content",
    versions: bar.versions,
    added: bar.added,
    removed: bar.removed,
    replaced: bar.replaced,
    moved: bar.moved,
  }));
}

interface WireDelta {
  id: string;
  endpoint_id: string;
  from_snapshot_id: string;
  to_snapshot_id: string;
  captured_at: string;
  kind: string;
  changes_count: number;
  first?: Row[];
}

const VALUES: ReadonlySet<string> = new Set(["old", "new"]);

/** The newest deltas with their first rows; of some endpoints or of a stretch where these are given. */
export async function loadLately(
  project: string,
  narrow: { endpoints: readonly string[]; span: Span | null },
  names: ReadonlyMap<string, string>,
  signal: AbortSignal,
): Promise<Item[]> {
  const of = (endpoint: string | null) => newest(project, endpoint, narrow.span, signal);
  const lists = await Promise.all(narrow.endpoints.length > 0 ? narrow.endpoints.map(of) : [of(null)]);
  const data = lists.flat().sort((a, b) => Date.parse(b.captured_at) - Date.parse(a.captured_at));
  const shown = data.slice(0, LATELY);
  const unknown = new Set(shown.map((delta) => delta.endpoint_id).filter((id) => !names.has(id)));
  const found = new Map(await Promise.all([...unknown].map((id) => nameOf(project, id, signal))));
  return shown.map((delta) => ({
    id: delta.id,
    endpoint: names.get(delta.endpoint_id) ?? found.get(delta.endpoint_id) ?? delta.endpoint_id,
    atMs: Date.parse(delta.captured_at),
    fromId: delta.from_snapshot_id,
    toId: delta.to_snapshot_id,
    kind: delta.kind,
    changes: delta.changes_count,
    rows: (delta.first ?? []).map(named),
  }));
}

/** Of an endpoint that is not listed yet; of one that is gone meanwhile its id. */
async function nameOf(project: string, id: string, signal: AbortSignal): Promise<[id: string, name: string]> {
  try {
    const answer = await get("/v1/endpoints/{endpoint}", { in: project, path: { endpoint: id }, signal });
    return [id, answer.endpoint.name];
  } catch (error) {
    if (error instanceof Problem && error.status === 404) return [id, id];
    throw error;
  }
}

async function newest(
  project: string,
  endpoint: string | null,
  span: Span | null,
  signal: AbortSignal,
): Promise<WireDelta[]> {
  const query = {
    include: `first:${ROWS}`,
    limit: LATELY,
    ...(endpoint === null ? {} : { endpoint_id: endpoint }),
    ...(span === null ? {} : { from: at(span.fromMs), to: at(span.toMs - 1) }),
  };
  const answer = await raw("/v1/deltas", { in: project, query, signal });
  return (parseKeeping(await answer.text(), VALUES) as { data: WireDelta[] }).data;
}

/** With what people may know the record by, where it has no label. */
function named(row: Row): Row {
  return row.record === "" || row.label ? row : { ...row, label: keyText(row.record) };
}

function at(ms: number): string {
  return new Date(ms).toISOString();
}

function time(text: string | null | undefined): number | null {
  return text ? Date.parse(text) : null;
}
