// What the page of anomalies, and the charts that mark them, ask the server.

import { get } from "../api.ts";
import type { Anomaly, Filters } from "./places.ts";

const LISTED = 50;

export function listed(project: string, filters: Filters, cursor: string | undefined, signal: AbortSignal) {
  return get("/v1/anomalies", {
    in: project,
    query: { ...filters, limit: LISTED, ...(cursor ? { cursor } : {}) },
    signal,
  });
}

/** The newest of an endpoint's fields. */
export async function ofFields(project: string, endpoint: string, signal: AbortSignal): Promise<readonly Anomaly[]> {
  const page = await get("/v1/anomalies", { in: project, query: { endpoint, series: "field", limit: 200 }, signal });
  return page.data;
}
