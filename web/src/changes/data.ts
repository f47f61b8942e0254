// What the page of changes asks the server.

import { get, raw, type Schemas } from "../api.ts";
import type { Place } from "../compare/data.ts";
import { parseKeeping } from "../compare/exact.ts";
import type { Row } from "../compare/lines.ts";
import { optionsOf, type Wanted } from "./days.ts";

export type Change = Schemas["Delta"] & { id: string };

export interface ChangePage {
  changes: Change[];
  cursor: string | null;
}

const PAGE = 50;
const KEPT = new Set(["old", "new"]);

export async function changePage(
  place: Place,
  wanted: Wanted,
  cursor: string | null,
  signal: AbortSignal,
): Promise<ChangePage> {
  const query = {
    endpoint_id: place.endpoint,
    limit: PAGE,
    ...optionsOf(wanted),
    ...(cursor ? { cursor } : {}),
  };
  const page = (await get("/v1/deltas", { in: place.project, query, signal })) as {
    data: Change[];
    next_cursor: string | null;
  };
  return { changes: page.data, cursor: page.next_cursor };
}

const FIRST = 3;

/** The first changes of a delta, as rows. */
export async function firstRows(place: Place, delta: string, signal: AbortSignal): Promise<Row[]> {
  const answer = await raw("/v1/deltas/{delta_id}", {
    in: place.project,
    path: { delta_id: delta },
    query: { endpoint_id: place.endpoint, format: "rows", count: FIRST, value_limit: 120 },
    signal,
  });
  return (parseKeeping(await answer.text(), KEPT) as { rows: Row[] }).rows;
}
