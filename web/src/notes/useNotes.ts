import { useMemo } from "preact/hooks";
import { useLoad } from "../state/load.ts";
import type { Span } from "../time/bars.ts";
import { type DocumentLine, MOST_DOCUMENTS } from "./documents.ts";
import { flagsOf } from "./notes.ts";
import { documentLine, listNotes } from "./requests.ts";

const NO_LINES: readonly DocumentLine[] = [];

/** What was noted of a stretch, and how chosen documents changed in it: both are told beside a chart that stands without
 * them. */
export function useNotes(project: string, span: Span, documents: readonly string[]) {
  const named = documents.slice(0, MOST_DOCUMENTS);
  const notes = useLoad((signal) => listNotes(project, span, signal), [project, span.fromMs, span.toMs]);
  const lines = useLoad(
    (signal) => Promise.all(named.map((name) => documentLine(project, name, span, signal))),
    [project, span.fromMs, span.toMs, named.join("\n")],
  );
  const flags = useMemo(() => flagsOf(notes.data?.notes ?? [], span), [notes.data]);
  return {
    flags,
    hasMore: notes.data?.hasMore ?? false,
    again: notes.again,
    lines: lines.data ?? NO_LINES,
    error: notes.error ?? lines.error,
    retry: () => {
      notes.again();
      lines.again();
    },
  };
}
