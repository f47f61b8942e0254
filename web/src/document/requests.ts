/** What the document page asks of the server. Answers with values of documents stay bytes: their numbers are not rounded. */

import { get, Problem, patch, post, raw, type Schemas } from "../api";
import { parseKeeping } from "../compare/exact";
import type { Bar, Span } from "../time/bars";
import { readHistory } from "./history";
import type { BlamedLeaf } from "./since";
import type { Place } from "./versions";

export interface Source {
  project: string;
  endpoint: string;
}

export interface Line {
  bars: Bar[];
  /** Of a bar that stands for many versions; null where each is one. */
  bucketMs: number | null;
  whole: Span | null;
}

export interface Version {
  id: string;
  ms: number;
  /** null until the server was asked. */
  bytes: number | null;
}

export type Preview = Schemas["DiffPreview"];

function version(row: Schemas["Snapshot"]): Version {
  return { id: row.id, ms: Date.parse(row.captured_at), bytes: row.size_bytes };
}

export async function endpointOf({ project, endpoint }: Source, signal: AbortSignal): Promise<Schemas["Endpoint"]> {
  return (await get("/v1/endpoints/{endpoint}", { in: project, path: { endpoint }, signal })).endpoint;
}

/** The version in force at a time; the latest without one. null before the first. */
export async function versionAt(
  { project, endpoint }: Source,
  ms: number | null,
  signal: AbortSignal,
): Promise<Version | null> {
  // A range ends before its end: the millisecond itself belongs to it.
  const to = ms === null ? undefined : new Date(ms + 1).toISOString();
  const page = await get("/v1/snapshots", { in: project, query: { endpoint_id: endpoint, limit: 1, to }, signal });
  return page.data[0] ? version(page.data[0]) : null;
}

export async function firstVersion({ project, endpoint }: Source, signal: AbortSignal): Promise<Version | null> {
  const page = await get("/v1/snapshots", {
    in: project,
    query: { endpoint_id: endpoint, limit: 1, order: "asc" },
    signal,
  });
  return page.data[0] ? version(page.data[0]) : null;
}

export async function documentBytes({ project }: Source, id: string): Promise<ArrayBuffer> {
  return (
    await raw("/v1/snapshots/{snapshot_id}/data", { in: project, path: { snapshot_id: id }, keep: true })
  ).arrayBuffer();
}

/** null where there is no such snapshot. */
export async function versionById({ project, endpoint }: Source, id: string, signal: AbortSignal) {
  const query = { endpoint_id: endpoint, data: false };
  const sent = { in: project, path: { snapshot_id: id }, query, signal };
  const found = await get("/v1/snapshots/{snapshot_id}", sent).catch(absent);
  return found ? version((found as { snapshot: Schemas["Snapshot"] }).snapshot) : null;
}

/** The `count`th version from a time on. */
export async function versionAfter(
  { project, endpoint }: Source,
  ms: number,
  count: number,
  signal: AbortSignal,
): Promise<Version | null> {
  const query = {
    endpoint_id: endpoint,
    from: new Date(ms).toISOString(),
    order: "asc",
    limit: Math.min(1000, count),
  } as const;
  const page = await get("/v1/snapshots", { in: project, query, signal });
  const row = page.data.at(-1);
  return row ? version(row) : null;
}

export async function placeOf({ project }: Source, id: string, signal: AbortSignal): Promise<Place | null> {
  const sent = { in: project, path: { snapshot_id: id }, query: { include: "place", data: false }, signal };
  const { place } = (await get("/v1/snapshots/{snapshot_id}", sent)) as { place: Schemas["Place"] };
  const { number, of, previous, next } = place;
  const previousChange = beside(place.previous_change, place.previous_change_at);
  return { number, of, previous, next, previousChange, nextChange: beside(place.next_change, place.next_change_at) };
}

function beside(id: string | null, at: string | null): Place["nextChange"] {
  return id === null || at === null ? null : { id, ms: Date.parse(at) };
}

const MOST_BARS = 400;

/** The timeline, or a stretch of it: a bar a version, or a stretch of time where there are too many. */
export async function timeline({ project, endpoint }: Source, signal: AbortSignal, span?: Span): Promise<Line> {
  const iso = (ms: number): string => new Date(ms).toISOString();
  const query = { buckets: MOST_BARS, ...(span ? { from: iso(span.fromMs), to: iso(span.toMs + 1) } : {}) };
  const sent = { in: project, path: { endpoint }, query, signal };
  const found = await get("/v1/endpoints/{endpoint}/timeline", sent);
  const bars = found.data.map(({ time, snapshot_id, kind, ...counts }): Bar => {
    return { ...counts, ms: Date.parse(time), id: snapshot_id ?? time, kind: kind ?? "content" };
  });
  const [first, last] = [found.first_captured_at, found.last_captured_at];
  const whole = first && last ? { fromMs: Date.parse(first), toMs: Date.parse(last) } : null;
  return { bars, bucketMs: found.interval_ms, whole };
}

const WINDOW = 1000;
const MOST_WINDOWS = 4;

/** The rows of a version's delta, in windows; null of the first version. */
export async function deltaRows({ project }: Source, id: string): Promise<ArrayBuffer[] | null> {
  const found: ArrayBuffer[] = [];
  for (let start = 0; start < WINDOW * MOST_WINDOWS; start += WINDOW) {
    const query = { format: "rows", start, count: WINDOW } as const;
    const answer = await raw("/v1/deltas/{delta_id}", { in: project, path: { delta_id: id }, query }).catch(absent);
    if (!answer) return null;
    const bytes = await answer.arrayBuffer();
    found.push(bytes);
    if (totalOf(bytes) <= start + WINDOW) break;
  }
  return found;
}

/** How many rows there are, from the head of an answer: its rows are not read here. */
function totalOf(bytes: ArrayBuffer): number {
  const head = new TextDecoder().decode(new Uint8Array(bytes, 0, Math.min(bytes.byteLength, HEAD_BYTES)));
  return Number(/"format":"rows","total":(\d+)/.exec(head)?.[1] ?? 0);
}

const HEAD_BYTES = 1 << 20;

function absent(error: unknown): null {
  if (error instanceof Problem && error.status === 404) return null;
  throw error;
}

const VALUES: ReadonlySet<string> = new Set(["value"]);

export async function blame(
  { project, endpoint }: Source,
  snapshot: string,
  path: string,
  signal: AbortSignal,
): Promise<BlamedLeaf[]> {
  const found: BlamedLeaf[] = [];
  let cursor: string | undefined;
  for (let page = 0; page < 4; page += 1) {
    const query = { path, snapshot, include: "previous", limit: 1000, cursor } as const;
    const answer = await raw("/v1/endpoints/{endpoint}/blame", { in: project, path: { endpoint }, query, signal });
    const read = parseKeeping(await answer.text(), VALUES) as { data: BlamedLeaf[]; next_cursor: string | null };
    found.push(...read.data);
    if (read.next_cursor === null) break;
    cursor = read.next_cursor;
  }
  return found;
}

/** Every value of a place, in the order of time; of very many the newest 4,000. */
export async function historyOf({ project, endpoint }: Source, path: string, signal: AbortSignal) {
  const values = [];
  let cursor: string | undefined;
  let told: { total: number | null; share: number | null } = { total: null, share: null };
  for (let page = 0; page < 4; page += 1) {
    const query = { path, order: "desc", limit: 1000, cursor } as const;
    const answer = await raw("/v1/endpoints/{endpoint}/history", { in: project, path: { endpoint }, query, signal });
    const read = readHistory(new Uint8Array(await answer.arrayBuffer()));
    values.push(...read.values);
    if (page === 0) told = read;
    if (read.next === null) break;
    cursor = read.next;
  }
  return { values: values.reverse(), total: told.total, share: told.share };
}

/** Field patterns that changed in more than half of all deltas. */
export async function noisyFields({ project, endpoint }: Source, signal: AbortSignal): Promise<Set<string>> {
  const page = await get("/v1/endpoints/{endpoint}/fields", {
    in: project,
    path: { endpoint },
    query: { limit: 200 },
    signal,
  });
  return new Set(page.data.filter((field) => field.share_of_deltas > 0.5).map((field) => field.path));
}

export async function tryDiff({ project, endpoint }: Source, diff: object, signal: AbortSignal): Promise<Preview> {
  const body = { diff, last: 200 };
  const answer = await post("/v1/endpoints/{endpoint}/preview", { in: project, path: { endpoint }, body, signal });
  return answer as Preview;
}

export async function saveIgnored({ project, endpoint }: Source, ignore: string[]): Promise<Schemas["Endpoint"]> {
  return (await patch("/v1/endpoints/{endpoint}", { in: project, path: { endpoint }, body: { diff: { ignore } } }))
    .endpoint;
}

const MOST_VERSIONS = 2000;

/** The versions of a stretch as lines that `delta-server import` reads: the time, and the document's exact text. */
export async function versionLines({ project, endpoint }: Source, span: Span | null): Promise<Blob> {
  const range = span ? { from: new Date(span.fromMs).toISOString(), to: new Date(span.toMs + 1).toISOString() } : {};
  const parts: string[] = [];
  let cursor: string | undefined;
  while (parts.length < MOST_VERSIONS) {
    const query = { endpoint_id: endpoint, order: "asc", limit: 100, cursor, ...range } as const;
    const page = await get("/v1/snapshots", { in: project, query });
    for (const row of page.data) {
      const body = await raw("/v1/snapshots/{snapshot_id}/data", {
        in: project,
        path: { snapshot_id: row.id },
        keep: true,
      });
      parts.push(`${JSON.stringify({ at: row.captured_at, body: await body.text() })}\n`);
    }
    if (page.next_cursor === null) return new Blob(parts, { type: "application/x-ndjson" });
    cursor = page.next_cursor;
  }
  throw new Error(
    `more than ${MOST_VERSIONS.toLocaleString()} versions: choose a shorter stretch, or use delta-server export`,
  );
}
