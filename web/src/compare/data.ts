// What the page of comparisons asks the server.

import { get, patch, raw, rawPost, type Schemas } from "../api.ts";
import type { Moment } from "../time/moments.ts";
import { parseKeeping } from "./exact.ts";
import type { Filter, Op } from "./filters.ts";
import type { ArrayKey } from "./KeyMenu.tsx";
import { pathOf, type Row } from "./lines.ts";

export type DiffSettings = Schemas["DiffShown"];

/** Where the page is: everything asked is about this endpoint. */
export interface Place {
  project: string;
  endpoint: string;
}

export interface FieldCounts {
  path: string;
  changes: number;
}

/** A comparison with one window of its rows. */
export interface Comparison {
  kind: string;
  changes_count: number;
  added: number;
  removed: number;
  replaced: number;
  moved: number;
  similarity_score: number;
  fields: FieldCounts[];
  notes: { path: string; message: string }[];
  total: number;
  matched: number;
  records: number;
  /** Of the matched rows, with heads of records. */
  lines: number;
  keys: Record<string, ArrayKey>;
  rail: string;
  rows: Row[];
  /** Rows beside the matched ones, of what did not change. */
  unchanged?: number;
  /** Where the row that was sought stands; null where it is not among them. */
  place?: number | null;
}

export interface Pair {
  a: string;
  b: string;
  /** Settings that are tried in place of the endpoint's. */
  diff: DiffSettings | null;
}

export interface RowWindow {
  start: number;
  count: number;
  /** Lists what did not change too. */
  unchanged: boolean;
  /** A path whose place is sought. */
  row?: string;
}

const KEPT = new Set(["old", "new"]);
const VALUE_LIMIT = 400;

/** Asks for a window of the rows of one comparison. */
export type Ask = (filter: Filter, window: RowWindow, signal: AbortSignal) => Promise<Comparison>;

/** Of two snapshots. */
export function rowsOf({ project }: Place, { a, b, diff }: Pair): Ask {
  return async (filter, window, signal) => {
    const ends = { from_snapshot_id: a, to_snapshot_id: b, ...(diff ? { diff } : {}) };
    const body = { ...ends, ...wantedRows(filter, window) };
    return readRows(await rawPost("/v1/deltas/compare", { in: project, body, signal }), window);
  };
}

/** What a request says of the rows it wants. */
export function wantedRows(filter: Filter, { unchanged, ...window }: RowWindow) {
  return {
    format: "rows" as const,
    ...window,
    value_limit: VALUE_LIMIT,
    ...(unchanged ? { unchanged } : {}),
    ...(filter.ops.length > 0 ? { ops: [...filter.ops] as Op[] } : {}),
    ...(filter.fields.length > 0 ? { fields: [...filter.fields] } : {}),
    ...(filter.find ? { q: filter.find } : {}),
  };
}

export async function readRows(answer: Response, { unchanged }: RowWindow): Promise<Comparison> {
  const found = parseKeeping(await answer.text(), KEPT) as Comparison;
  return unchanged ? { ...found, rows: found.rows.map(onBothSides) } : found;
}

/** What did not change comes once, and stands on either side. */
function onBothSides(row: Row): Row {
  return row.op === "same" && row.new !== undefined ? { ...row, old: row.new } : row;
}

export type Snapshot = Schemas["Snapshot"];

/** The version as of a moment; null where there was none yet. */
export async function versionAt(place: Place, moment: Moment, signal: AbortSignal): Promise<Snapshot | null> {
  if (moment.kind === "snapshot") {
    const path = { snapshot_id: moment.id };
    const query = { endpoint_id: place.endpoint };
    const answer = await get("/v1/snapshots/{snapshot_id}", { in: place.project, path, query, signal });
    return (answer as { snapshot: Snapshot }).snapshot;
  }
  const until = moment.kind === "time" ? { to: new Date(moment.ms + 1).toISOString() } : {};
  const query = { endpoint_id: place.endpoint, limit: 1, ...until };
  const page = await get("/v1/snapshots", { in: place.project, query, signal });
  return page.data[0] ?? null;
}

export interface Neighbours {
  previousChange: number | null;
  nextChange: number | null;
}

/** The changes on either side of a version: a time just before the last one up to it, and that of the next. */
export async function neighboursOf(place: Place, ms: number, signal: AbortSignal): Promise<Neighbours> {
  const after = new Date(ms + 1).toISOString();
  const [before, next] = await Promise.all([
    changeNear(place, { to: after, order: "desc" }, signal),
    changeNear(place, { from: after, order: "asc" }, signal),
  ]);
  return { previousChange: before === null ? null : before - 1, nextChange: next };
}

interface Near {
  to?: string;
  from?: string;
  order: "asc" | "desc";
}

/** When the first change of a list was; null where there is none. */
export async function changeNear(place: Place, near: Near, signal: AbortSignal): Promise<number | null> {
  const query = { endpoint_id: place.endpoint, limit: 1, ...near };
  const page = (await get("/v1/deltas", { in: place.project, query, signal })) as { data: { captured_at: string }[] };
  return page.data[0] ? Date.parse(page.data[0].captured_at) : null;
}

/** Fields that change in more than half of all deltas, and the scalar fields of each array's elements. */
export async function fieldsOf({ project, endpoint }: Place, signal: AbortSignal): Promise<Schemas["Field"][]> {
  const page = await get("/v1/endpoints/{endpoint}/fields", {
    in: project,
    path: { endpoint },
    query: { limit: 500 },
    signal,
  });
  return page.data;
}

export async function endpointOf({ project, endpoint }: Place, signal: AbortSignal): Promise<Schemas["Endpoint"]> {
  return (await get("/v1/endpoints/{endpoint}", { in: project, path: { endpoint }, signal })).endpoint;
}

export async function saveKeys({ project, endpoint }: Place, keys: Record<string, string[]>): Promise<void> {
  await patch("/v1/endpoints/{endpoint}", { in: project, path: { endpoint }, body: { diff: { array_keys: keys } } });
}

export const DOWNLOADS = {
  "json-patch": { name: "JSON Patch", file: "patch.json" },
  "merge-patch": { name: "Merge patch", file: "merge-patch.json" },
  changes: { name: "Changes, old and new values", file: "changes.json" },
} as const;
export type Download = keyof typeof DOWNLOADS;

/** The operations as the server writes them. */
export async function download({ project }: Place, { a, b, diff }: Pair, format: Download): Promise<Blob> {
  const answer = await rawPost("/v1/deltas/compare", {
    in: project,
    body: { from_snapshot_id: a, to_snapshot_id: b, format, ...(diff ? { diff } : {}) },
  });
  const told = parseKeeping(await answer.text(), new Set(["diff"])) as { diff: string };
  return new Blob([told.diff], { type: "application/json" });
}

export async function documentOf({ project }: Place, snapshot: string): Promise<Blob> {
  return (await raw("/v1/snapshots/{snapshot_id}/data", { in: project, path: { snapshot_id: snapshot } })).blob();
}

/** The whole value at a path of a version, as its document has it. */
export async function valueAt(
  { project }: Place,
  snapshot: string,
  path: string,
  signal?: AbortSignal,
): Promise<string> {
  const answer = await raw("/v1/snapshots/{snapshot_id}/value", {
    in: project,
    path: { snapshot_id: snapshot },
    query: { path },
    ...(signal ? { signal } : {}),
  });
  return (parseKeeping(await answer.text(), new Set(["value"])) as { value: string }).value;
}

/** The whole value at a path of one of the two documents. */
export type ValueAt = (end: string, path: string, signal?: AbortSignal) => Promise<string>;

/** Both values of a row that has only a part of them. */
export async function wholeOf(
  valueAt: ValueAt,
  { a, b }: Pick<Pair, "a" | "b">,
  row: Row,
  signal: AbortSignal,
): Promise<{ old: string | null; new: string | null }> {
  const path = pathOf(row);
  const [old, now] = await Promise.all([
    row.old === undefined ? null : valueAt(a, path, signal),
    row.new === undefined ? null : valueAt(b, path, signal),
  ]);
  return { old, new: now };
}

/** Hands a file to the browser to keep. */
export function keep(blob: Blob, name: string): void {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}
