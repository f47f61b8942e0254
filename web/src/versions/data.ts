// What the page of versions asks the server.

import { get } from "../api.ts";
import type { Place } from "../compare/data.ts";
import { type DeltaItem, type SnapshotItem, type Version, versionsOf } from "./versions.ts";

export interface VersionPage {
  snapshots: SnapshotItem[];
  deltas: DeltaItem[];
  cursor: string | null;
}

const PAGE = 200;

/** A page of versions, newest first, with what each of them changed. */
export async function versionPage(
  place: Place,
  range: { from: string; to: string } | null,
  cursor: string | null,
  signal: AbortSignal,
): Promise<VersionPage> {
  const span = { ...(range?.from ? { from: range.from } : {}), ...(range?.to ? { to: range.to } : {}) };
  const page = await get("/v1/snapshots", {
    in: place.project,
    query: { endpoint_id: place.endpoint, limit: PAGE, ...(cursor ? { cursor } : span) },
    signal,
  });
  const [newest, oldest] = [page.data[0], page.data.at(-1)];
  if (!newest || !oldest) return { snapshots: [], deltas: [], cursor: null };
  const until = new Date(Date.parse(newest.captured_at) + 1).toISOString();
  const query = { endpoint_id: place.endpoint, kind: "all", from: oldest.captured_at, to: until, limit: 1000 };
  const deltas = (await get("/v1/deltas", { in: place.project, query, signal })) as { data: DeltaItem[] };
  return { snapshots: page.data, deltas: deltas.data, cursor: page.next_cursor ?? null };
}

export function allVersions(pages: VersionPage[], isWhole: boolean): Version[] {
  const complete = isWhole && pages.at(-1)?.cursor === null;
  return versionsOf(
    pages.flatMap((page) => page.snapshots),
    pages.flatMap((page) => page.deltas),
    complete,
  );
}
