// What the page of an endpoint's schema asks the server of its enforcement.

import { get, post, put, remove, type Schemas } from "../api.ts";
import type { Place } from "../compare/data.ts";

export type SchemaField = Schemas["ListedField"];
export type Change = Schemas["SchemaChange"];
export type Enforcement = Schemas["Enforcement"];
export type Trial = Schemas["SchemaTrial"];
export type Kept = Schemas["KeptDocument"];
export type Accepted = Schemas["AcceptedDocument"];
export type Mode = Enforcement["mode"];

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
