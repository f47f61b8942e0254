/** What is asked of the server about saved queries. */

import { get, patch, post, remove, type Schemas } from "../api.ts";
import { path, query } from "../state/location.ts";
import { type Kind, SAVED, type Spec } from "./kinds.ts";

/** The description of the API knows no members of an open object. */
type WithSpec<T> = Omit<T, "spec"> & { spec: Spec };

export const listSaved = (project: string, kind: Kind | null, cursor: string | undefined, signal: AbortSignal) =>
  get("/v1/saved-queries", {
    in: project,
    query: { limit: 100, ...(kind ? { kind } : {}), ...(cursor ? { cursor } : {}) },
    signal,
  });

export const getSaved = async (project: string, id: string, signal: AbortSignal) =>
  (await get("/v1/saved-queries/{query_id}", { in: project, path: { query_id: id }, signal })).saved_query;

export const makeSaved = async (project: string, body: WithSpec<Schemas["NewSavedQuery"]>) =>
  (await post("/v1/saved-queries", { in: project, body: body as Schemas["NewSavedQuery"] })).saved_query;

export const changeSaved = async (project: string, id: string, body: Partial<WithSpec<Schemas["NewSavedQuery"]>>) =>
  (
    await patch("/v1/saved-queries/{query_id}", {
      in: project,
      path: { query_id: id },
      body: body as Schemas["SavedQueryChange"],
    })
  ).saved_query;

export const deleteSaved = (project: string, id: string) =>
  remove("/v1/saved-queries/{query_id}", { in: project, path: { query_id: id } });

/** Where the page is now, as what was just saved. */
export function asSaved(id: string): string {
  const asked = new URLSearchParams(query.peek());
  asked.set(SAVED, id);
  return `${path.peek()}?${asked}`;
}
