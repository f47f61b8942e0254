/** Numbers of fields over time, as the server gives them. */

import { get } from "../api.ts";
import type { FieldSeries } from "./model.ts";

export interface Wanted {
  path: string;
  /** Key paths of records; all where it is empty. */
  records: readonly string[];
  fromMs: number | null;
  toMs: number | null;
}

const POINTS = 500;

export async function loadSeries(
  project: string,
  endpoint: string,
  wanted: Wanted,
  signal: AbortSignal,
): Promise<FieldSeries> {
  const { fromMs, toMs } = wanted;
  const query = {
    path: wanted.path,
    points: POINTS,
    ...(wanted.records.length === 0 ? {} : { record: [...wanted.records] }),
    ...(fromMs === null ? {} : { from: new Date(fromMs).toISOString() }),
    ...(toMs === null ? {} : { to: new Date(toMs).toISOString() }),
  };
  const answer = await get("/v1/endpoints/{endpoint}/series", { in: project, path: { endpoint }, query, signal });
  return {
    path: wanted.path,
    timesMs: answer.times.map((time) => Date.parse(time)),
    series: answer.series.map((one) => ({ record: one.record, label: one.label ?? "", values: one.values })),
    leftOff: answer.left_off,
  };
}
