/** Saved queries: what they are called, where each kind is drawn. */

import type { Schemas } from "../api.ts";

export type Kind = Schemas["NewSavedQuery"]["kind"];
export type SavedItem = Schemas["SavedQueryItem"];
export type Spec = Record<string, unknown>;

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
