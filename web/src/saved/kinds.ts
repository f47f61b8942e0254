/** Saved queries: what they are called, where each kind is drawn. */

import { get, patch, post, remove, type Schemas } from "../api.ts";
import { path, query } from "../state/location.ts";

export type Kind = Schemas["NewSavedQuery"]["kind"];
export type SavedItem = Schemas["SavedQueryItem"];
export type Spec = Record<string, unknown>;
/** The description of the API knows no members of an open object. */
type WithSpec<T> = Omit<T, "spec"> & { spec: Spec };

/** The steps of each kind's page below the events', and its name. */
export const PLACES: Readonly<Record<Kind, readonly [name: string, ...steps: string[]]>> = {
  explorer: ["Explorer"],
  sql: ["SQL", "sql"],
  funnel: ["Funnel", "funnels"],
  retention: ["Retention", "retention"],
  paths: ["Paths", "paths"],
};

/** In the address: which saved query it began as. */
export const SAVED = "saved";

/** The address as it is kept: without which query it is, and where somebody happened to look. */
export function viewOf(asked: URLSearchParams): string {
  const kept = new URLSearchParams(asked);
  for (const name of [SAVED, "at"]) kept.delete(name);
  return kept.toString();
}

/** The address of a saved query's page, below the base. */
export function addressOf(project: string, { id, kind, view }: Pick<SavedItem, "id" | "kind" | "view">): string {
  const asked = new URLSearchParams(view ?? "");
  asked.set(SAVED, id);
  const [, ...steps] = PLACES[kind];
  return `/${["p", project, "events", ...steps].map(encodeURIComponent).join("/")}?${asked}`;
}

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
