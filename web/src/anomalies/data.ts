// What the page of anomalies, and the charts that mark them, ask the server.

import { get } from "../api.ts";
import type { Span } from "../time/bars.ts";
import type { Anomaly, Filters } from "./places.ts";

const LISTED = 50;

export function listed(project: string, filters: Filters, cursor: string | undefined, signal: AbortSignal) {
  return get("/v1/anomalies", {
    in: project,
    query: { ...filters, limit: LISTED, ...(cursor ? { cursor } : {}) },
    signal,
  });
}

/** The newest in how many events came within a stretch. */
export async function ofEvents(project: string, span: Span, signal: AbortSignal): Promise<readonly Anomaly[]> {
  const [from, to] = [span.fromMs, span.toMs].map((ms) => new Date(ms).toISOString());
  const asked = { series: "events" as const, limit: 200, ...(from && to ? { from, to } : {}) };
  return (await get("/v1/anomalies", { in: project, query: asked, signal })).data;
}

/** The newest of an endpoint's fields. */
export async function ofFields(project: string, endpoint: string, signal: AbortSignal): Promise<readonly Anomaly[]> {
  const page = await get("/v1/anomalies", { in: project, query: { endpoint, series: "field", limit: 200 }, signal });
  return page.data;
}
