/** What is asked of the server about notes, and about documents beside them. */

import { get, patch, post, remove, type Schemas } from "../api.ts";
import type { Span } from "../time/bars.ts";
import { type DocumentLine, MOST_MARKS } from "./documents.ts";
import { MOST_NOTES } from "./notes.ts";

/** The latest of a stretch, and whether there are more. */
export async function listNotes(project: string, span: Span, signal: AbortSignal) {
  const [from, to] = [span.fromMs, span.toMs].map((ms) => new Date(ms).toISOString()) as [string, string];
  const { data, has_more } = await get("/v1/annotations", {
    in: project,
    query: { from, to, limit: MOST_NOTES },
    signal,
  });
  return { notes: data, hasMore: has_more };
}

export const makeNote = (project: string, body: Schemas["NewAnnotation"]) =>
  post("/v1/annotations", { in: project, body });
export const changeNote = (project: string, id: string, body: Schemas["AnnotationChange"]) =>
  patch("/v1/annotations/{annotation_id}", { in: project, path: { annotation_id: id }, body });
export const deleteNote = (project: string, id: string) =>
  remove("/v1/annotations/{annotation_id}", { in: project, path: { annotation_id: id } });

export async function documentLine(
  project: string,
  endpoint: string,
  span: Span,
  signal: AbortSignal,
): Promise<DocumentLine> {
  const [from, to] = [span.fromMs, span.toMs].map((ms) => new Date(ms).toISOString()) as [string, string];
  const query = { from, to, buckets: MOST_MARKS };
  const found = await get("/v1/endpoints/{endpoint}/timeline", { in: project, path: { endpoint }, query, signal });
  const marks = found.data.map(({ time, added, removed, replaced, moved }) => {
    return { ms: Date.parse(time), added, removed, changed: replaced + moved };
  });
  return {
    endpoint,
    bucketMs: found.interval_ms,
    marks: marks.filter(({ added, removed, changed }) => added + removed + changed > 0),
  };
}
