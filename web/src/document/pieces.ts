/** Documents too large for the browser, as the server gives them: a level at a time. */

import { get, type Schemas } from "../api";
import { escapeName } from "./paths";
import type { Source } from "./requests";

export type Piece = Schemas["TreeRow"] & { path: string };

export interface Level {
  of: number;
  start: number;
  rows: Piece[];
}

/** Up to `count` rows of the level at a path, from `start` on; each with its own path. */
export async function levelOf(
  { project }: Source,
  id: string,
  path: string,
  start: number,
  count: number,
  signal: AbortSignal,
): Promise<Level> {
  const sent = { in: project, path: { snapshot_id: id }, query: { path, start, count }, signal };
  const level = await get("/v1/snapshots/{snapshot_id}/tree", sent);
  const rows = level.rows.map((row) => ({ ...row, path: `${path}/${row.record ?? escapeName(String(row.key))}` }));
  return { of: level.of, start, rows };
}

const MOST_HITS = 50;

/** Where a text stands: the first places, and how many there are. */
export async function findIn({ project }: Source, id: string, q: string, signal: AbortSignal) {
  const sent = { in: project, path: { snapshot_id: id }, query: { q, count: MOST_HITS }, signal };
  return get("/v1/snapshots/{snapshot_id}/find", sent);
}
