/**
 * Which field names the records of a list. The server finds it and gives labels with what changed; a record of which the
 * label is known shows where that stands, and so all others of its list can be read.
 */

import type { Marks } from "./marks";
import { children, headText, memberName, unquoted } from "./nodes";
import { escapeName, pattern } from "./paths";
import { Kind, type Scan } from "./scan";

export class LabelFields {
  known: Map<string, string> = new Map();

  learn(doc: Scan, { groups }: Marks): void {
    const found = new Map(this.known);
    for (const { node, label } of groups) {
      if (label === null || node <= 0 || doc.kind[node] !== Kind.Map) continue;
      const list = pattern(doc, doc.parent[node] as number);
      if (found.has(list)) continue;
      const field = fieldWith(doc, node, label, 2);
      if (field !== null) found.set(list, field);
    }
    this.known = found;
  }
}

/** The field of a record, up to two maps deep, whose text is the label. */
function fieldWith(doc: Scan, node: number, label: string, deep: number): string | null {
  for (const child of children(doc, node)) {
    const name = escapeName(memberName(doc, child));
    if (doc.kind[child] === Kind.Text && said(doc, child) === label) return name;
    if (doc.kind[child] !== Kind.Map || deep === 0) continue;
    const below = fieldWith(doc, child, label, deep - 1);
    if (below !== null) return `${name}/${below}`;
  }
  return null;
}

/** A text as labels are written: in one line, and cut. */
function said(doc: Scan, node: number): string | null {
  const { text, cut } = headText(doc, node, 2000);
  if (cut) return null;
  const line = unquoted(text).trim().split(/\s+/).join(" ");
  return line.length > 120 ? `${line.slice(0, 119)}…` : line;
}
