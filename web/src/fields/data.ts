// What the page of fields asks the server.

import { get, patch, post, type Schemas } from "../api.ts";
import type { Place } from "../compare/data.ts";
import { type Dated, sparksOf } from "./sparks.ts";

export type Field = Schemas["Field"];
export type Preview = Schemas["DiffPreview"];

export interface FieldPage {
  fields: Field[];
  cursor: string | null;
}

const PAGE = 200;

export async function fieldPage(
  place: Place,
  q: string,
  cursor: string | null,
  signal: AbortSignal,
): Promise<FieldPage> {
  const page = await get("/v1/endpoints/{endpoint}/fields", {
    in: place.project,
    path: { endpoint: place.endpoint },
    query: { limit: PAGE, ...(q ? { q } : {}), ...(cursor ? { cursor } : {}) },
    signal,
  });
  return { fields: page.data, cursor: page.next_cursor ?? null };
}

const LATELY = 300;

/** The last deltas with what they changed, which tells when each field did. */
export async function lately({ project, endpoint }: Place, signal: AbortSignal): Promise<Map<string, number[]>> {
  const page = await get("/v1/deltas", { in: project, query: { endpoint_id: endpoint, limit: LATELY }, signal });
  return sparksOf((page as { data: Dated[] }).data);
}

const LAST = 200;

/** What the rules would have silenced of the last versions. */
export function previewOf({ project, endpoint }: Place, ignore: string[], signal: AbortSignal): Promise<Preview> {
  const body = { diff: { ignore }, last: LAST };
  return post("/v1/endpoints/{endpoint}/preview", {
    in: project,
    path: { endpoint },
    body,
    signal,
  }) as Promise<Preview>;
}

export async function saveIgnored({ project, endpoint }: Place, ignore: string[]): Promise<void> {
  await patch("/v1/endpoints/{endpoint}", { in: project, path: { endpoint }, body: { diff: { ignore } } });
}
