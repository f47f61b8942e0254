// What the pages of synced records ask the server.

import { get, post, raw, rawPost, type Schemas } from "../api.ts";
import { type Ask, readRows, wantedRows } from "../compare/data.ts";
import { parseKeeping } from "../compare/exact.ts";
import { headersOf, type Space } from "../sync/space.ts";

export type Version = Schemas["Record"];

/** Of one data type in one space. */
export interface Source {
  project: string;
  space: Space;
  type: string;
}

/** A version with its content: JSON as text, for its numbers may have more digits than a double. */
export interface Found extends Omit<Version, "data"> {
  text: string | null;
}

export interface Wanted {
  prefix: string;
  deleted: boolean;
}

const PAGE = 100;

export function listRecords(
  { project, space, type }: Source,
  wanted: Wanted,
  cursor: string | undefined,
  signal: AbortSignal,
) {
  const query = { ...wanted, content: false, limit: PAGE, ...(cursor ? { cursor } : {}) };
  const sent = { in: project, path: { data_type: type }, query, headers: headersOf(space), signal };
  return get("/v1/sync/{data_type}/records", sent);
}

export function listHistory(
  { project, space, type }: Source,
  record: string,
  cursor: string | undefined,
  signal: AbortSignal,
) {
  const path = { data_type: type, record_id: record };
  const query = { content: false, limit: PAGE, ...(cursor ? { cursor } : {}) };
  return get("/v1/sync/{data_type}/records/{record_id}/history", {
    in: project,
    path,
    query,
    headers: headersOf(space),
    signal,
  });
}

/** The newest version, or one of the record's history. */
export async function readVersion(
  { project, space, type }: Source,
  record: string,
  version: number | null,
  signal?: AbortSignal,
): Promise<Found> {
  const answer = await raw("/v1/sync/{data_type}/records/{record_id}", {
    in: project,
    path: { data_type: type, record_id: record },
    query: version === null ? {} : { version },
    headers: headersOf(space),
    ...(signal ? { signal } : {}),
  });
  const { data, ...found } = parseKeeping(await answer.text(), new Set(["data"])) as Version & { data?: string };
  return { ...found, text: data ?? null };
}

export interface Versions {
  from: number;
  to: number;
}

/** The rows of what differs between two versions. */
export function rowsOf(source: Source, record: string, versions: Versions): Ask {
  return async (filter, window, signal) =>
    readRows(await compared(source, record, versions, wantedRows(filter, window), signal), window);
}

const MOST_MARKED = 2000;

/** The same as bytes, for a document to be marked with; of very many changes the first. */
export async function markedRows(source: Source, record: string, versions: Versions, signal: AbortSignal) {
  const wanted = { format: "rows" as const, start: 0, count: MOST_MARKED };
  return (await compared(source, record, versions, wanted, signal)).arrayBuffer();
}

type Rows = Omit<Schemas["RecordComparison"], "from_version" | "to_version">;

function compared(
  { project, space, type }: Source,
  record: string,
  { from, to }: Versions,
  rows: Rows,
  signal: AbortSignal,
) {
  return rawPost("/v1/sync/{data_type}/records/{record_id}/compare", {
    in: project,
    path: { data_type: type, record_id: record },
    body: { from_version: from, to_version: to, ...rows },
    headers: headersOf(space),
    signal,
  });
}

/** Makes a version the newest one again; the number that it has then. */
export async function restore({ project, space, type }: Source, record: string, version: number): Promise<number> {
  const path = { data_type: type, record_id: record };
  const sent = { in: project, path, body: { version }, headers: headersOf(space) };
  return (await post("/v1/sync/{data_type}/records/{record_id}/restore", sent)).version;
}
