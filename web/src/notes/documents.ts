/** How documents changed on the axis of a chart: what changed in the world when a number moved. */

import type { Span } from "../time/bars.ts";

/** So many documents at once, and so many marks of each: versions, or stretches of time with counts. */
export const MOST_DOCUMENTS = 5;
export const MOST_MARKS = 120;

export interface DocumentMark {
  ms: number;
  added: number;
  changed: number;
  removed: number;
}

export interface DocumentLine {
  endpoint: string;
  marks: readonly DocumentMark[];
  /** Of stretches their length; of versions null. */
  bucketMs: number | null;
}

/** "+3 ~12 −1", without what there is none of. */
export function countsText({ added, changed, removed }: Omit<DocumentMark, "ms">): string {
  const parts = [added > 0 ? `+${added}` : "", changed > 0 ? `~${changed}` : "", removed > 0 ? `−${removed}` : ""];
  return parts.filter(Boolean).join(" ");
}

/** What changed within a stretch, all together. */
export function within(line: DocumentLine, span: Span): DocumentMark | null {
  const inside = line.marks.filter(({ ms }) => ms >= span.fromMs && ms < span.toMs);
  const sum = (name: "added" | "changed" | "removed") => inside.reduce((all, mark) => all + mark[name], 0);
  const last = inside.at(-1);
  return last ? { ms: last.ms, added: sum("added"), changed: sum("changed"), removed: sum("removed") } : null;
}

/** How high a bar is: small numbers are seen, large ones do not hide them. */
export function height(count: number, most: number): number {
  return count === 0 ? 0 : 3 + 11 * (Math.log1p(count) / Math.log1p(Math.max(1, most)));
}
