// What the page of a schema asks the server, and how it says what comes.

import { get, post, put, raw, remove, type Schemas } from "../api.ts";
import type { Place } from "../compare/data.ts";

export type Schema = Schemas["EndpointSchema"];
export type SchemaField = Schemas["ListedField"];
export type Changes = Schemas["SchemaChanges"];
export type Change = Schemas["SchemaChange"];
export type Enforcement = Schemas["Enforcement"];
export type Trial = Schemas["SchemaTrial"];
export type Kept = Schemas["KeptDocument"];
export type Accepted = Schemas["AcceptedDocument"];
export type Mode = Enforcement["mode"];

export const SHOWN = {
  fields: "Tree",
  "json-schema": "JSON Schema",
  typescript: "TypeScript",
  python: "Python",
} as const;
export type Shown = keyof typeof SHOWN;

const CHANGES = 20;

export function schemaOf({ project, endpoint }: Place, signal: AbortSignal): Promise<Schema> {
  return get("/v1/endpoints/{endpoint}/schema", { in: project, path: { endpoint }, signal }) as Promise<Schema>;
}

/** The schema in a language, as it is copied. */
export async function written({ project, endpoint }: Place, format: Shown, signal: AbortSignal): Promise<string> {
  const answer = await raw("/v1/endpoints/{endpoint}/schema", {
    in: project,
    path: { endpoint },
    query: { format },
    signal,
  });
  const text = await answer.text();
  return format === "json-schema" ? JSON.stringify(JSON.parse(text), null, 2) : text;
}

export async function changesOf({ project, endpoint }: Place, cursor: string | undefined, signal: AbortSignal) {
  return get("/v1/endpoints/{endpoint}/schema/changes", {
    in: project,
    path: { endpoint },
    query: { limit: CHANGES, ...(cursor ? { cursor } : {}) },
    signal,
  });
}

export function enforcementOf({ project, endpoint }: Place, signal: AbortSignal): Promise<Enforcement> {
  return get("/v1/endpoints/{endpoint}/schema/enforcement", {
    in: project,
    path: { endpoint },
    signal,
  }) as Promise<Enforcement>;
}

export async function keptOf({ project, endpoint }: Place, signal: AbortSignal): Promise<Kept[]> {
  const page = await get("/v1/endpoints/{endpoint}/schema/kept-aside", { in: project, path: { endpoint }, signal });
  return page.data;
}

/** What they became, and why the others did not; all without ids. */
export async function accept({ project, endpoint }: Place, ids?: string[]): Promise<Accepted[]> {
  const answer = await post("/v1/endpoints/{endpoint}/schema/kept-aside/accept", {
    in: project,
    path: { endpoint },
    body: ids ? { ids } : {},
  });
  return answer.data;
}

export function discard({ project, endpoint }: Place, kept_id: string): Promise<unknown> {
  return remove("/v1/endpoints/{endpoint}/schema/kept-aside/{kept_id}", { in: project, path: { endpoint, kept_id } });
}

export function discardAll({ project, endpoint }: Place): Promise<unknown> {
  return remove("/v1/endpoints/{endpoint}/schema/kept-aside", { in: project, path: { endpoint } });
}

/** A text as the member `schema` of a request: none is what was learned. Throws SyntaxError. */
export function given(text: string): { schema?: Record<string, unknown> } {
  return text.trim() === "" ? {} : { schema: JSON.parse(text) as Record<string, unknown> };
}

export function tried({ project, endpoint }: Place, text: string, signal: AbortSignal): Promise<Trial> {
  return post("/v1/endpoints/{endpoint}/schema/try", {
    in: project,
    path: { endpoint },
    body: { last: 50, ...given(text) } as never,
    signal,
  }) as Promise<Trial>;
}

export async function save({ project, endpoint }: Place, mode: Mode, text: string): Promise<void> {
  await put("/v1/endpoints/{endpoint}/schema/enforcement", {
    in: project,
    path: { endpoint },
    body: { mode, ...(mode === "off" ? {} : given(text)) } as never,
  });
}
