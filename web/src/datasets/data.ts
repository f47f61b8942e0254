// What the page of datasets asks the server.

import { get, post, raw, type Schemas } from "../api.ts";
import { type DeltaRow, type Op, taken } from "./rows.ts";

export type Dataset = Schemas["Dataset"];
export type Client = Schemas["DatasetClient"];
export type Delivery = Schemas["DeliveryShown"];
export type Summary = Schemas["DeltaSummary"];
export type Job = Schemas["ComparisonJob"];

export interface Of {
  project: string;
  dataset: string;
  client: string;
}

const PAGE = 100;

export function datasetPage(project: string, cursor: string | undefined, signal: AbortSignal) {
  return get("/v1/datasets", { in: project, query: { limit: PAGE, ...(cursor ? { cursor } : {}) }, signal });
}

export function clientPage(project: string, dataset: string, cursor: string | undefined, signal: AbortSignal) {
  const query = { limit: PAGE, ...(cursor ? { cursor } : {}) };
  return get("/v1/datasets/{dataset}", { in: project, path: { dataset }, query, signal });
}

export function clientOf({ project, ...path }: Of, signal: AbortSignal): Promise<Client> {
  return get("/v1/datasets/{dataset}/{client}", { in: project, path, signal });
}

export function summaryOf({ project, ...path }: Of, signal: AbortSignal): Promise<Summary> {
  return get("/v1/datasets/{dataset}/{client}/delta/summary", { in: project, path, signal });
}

export async function jobsOf({ project, ...path }: Of, signal: AbortSignal): Promise<Job[]> {
  return (await get("/v1/datasets/{dataset}/{client}/jobs", { in: project, path, signal })).data;
}

export async function promote({ project, ...path }: Of, confirm: string | null): Promise<void> {
  const query = confirm === null ? {} : { confirm };
  await post("/v1/datasets/{dataset}/{client}/promote", { in: project, path, query });
}

export interface DeltaPart {
  rows: DeltaRow[];
  /** Whether the delta was read to its end. */
  complete: boolean;
}

/** The first rows of a delta of some kind; the comparison ends when enough are read. */
export async function deltaRows(
  { project, ...path }: Of,
  op: Op | null,
  most: number,
  signal: AbortSignal,
): Promise<DeltaPart> {
  const own = new AbortController();
  signal.addEventListener("abort", () => own.abort());
  const answer = await raw("/v1/datasets/{dataset}/{client}/delta", { in: project, path, signal: own.signal });
  if (!answer.body) return { rows: [], complete: false };
  const reader = answer.body.getReader();
  const decoder = new TextDecoder();
  const rows: DeltaRow[] = [];
  let rest = "";
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return { rows, complete: false };
    const lines = (rest + decoder.decode(value, { stream: true })).split("\n");
    rest = lines.pop() ?? "";
    if (taken(rows, lines, op, most)) return { rows: rows.slice(0, most), complete: rows.length <= most };
    if (rows.length > most) {
      own.abort();
      return { rows: rows.slice(0, most), complete: false };
    }
  }
}
