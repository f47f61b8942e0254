/** What a row of the tree says, as values: drawing it is TreeRow's. */

import { lastPart } from "../addresses";
import { difference, distance, timeOf } from "../compare/numbers";
import { cutToLine, escaped, type Piece, side } from "../compare/words";
import type { Counts, Ghost, Row } from "./marks";
import { headText, indexOf, isContainer, isMember, lineage, memberName, unquoted } from "./nodes";
import type { Opened } from "./opened";
import { fieldOf, keyStep, pattern } from "./paths";
import { Kind, type Scan } from "./scan";

export type Glyph = "added" | "removed" | "changed" | "moved" | null;

export interface RowView {
  level: number;
  glyph: Glyph;
  /** What the row's background and bar tell. */
  state: "added" | "removed" | "changed" | "";
  name: string;
  isElement: boolean;
  isRecord: boolean;
  label: string | null;
  id: string | null;
  /** Of a map or list. */
  meta: Meta | null;
  counts: Counts | null;
  kind: "str" | "num" | "lit";
  value: Piece[];
  /** The value is longer than its row. */
  cut: boolean;
  isNew: boolean;
  was: Piece[];
  /** The time that a number means; how far it is from the one before. */
  timeMs: number | null;
  distance: string;
  movedFrom: number | null;
  movedTo: number | null;
}

export interface Meta {
  count: number;
  noun: string;
  by: readonly string[] | null;
  /** Pattern of the array, where its records have a key. */
  array: string;
}

/** Characters of a value in a row. */
const LINE = 240;
const KINDS = ["lit", "lit", "lit", "num", "str", "lit", "lit"] as const;

export function rowView(opened: Opened, node: number): RowView {
  const { doc, marks } = opened;
  const change = marks.rows[marks.byNode.get(node) ?? -1];
  const move = marks.moves.has(node) ? marks.rows[marks.moves.get(node) as number] : undefined;
  const container = isContainer(doc, node);
  const isElement = node > 0 && !isMember(doc, node);
  const isRecord = isElement && doc.kind[node] === Kind.Map;
  const counts = marks.counts.get(node) ?? null;
  const added = change?.op === "add" || (node > 0 && isInAdded(opened, node));
  return {
    level: (doc.depth[node] as number) + 1,
    glyph: glyphOf(change, move, isRecord && counts !== null, change?.op === "add"),
    state: added ? "added" : change || move || (isRecord && counts) ? "changed" : "",
    name: node === 0 ? "document" : isElement ? String(indexOf(doc, node)) : memberName(doc, node),
    isElement,
    isRecord,
    label: isRecord ? labelOf(opened, node) : null,
    id: isRecord ? idOf(opened, node) : null,
    meta: container ? metaOf(opened, node, isRecord) : null,
    counts: container ? counts : null,
    kind: KINDS[doc.kind[node] as Kind],
    movedFrom: move?.before ?? null,
    movedTo: move?.after ?? null,
    ...values(doc, node, container, change),
  };
}

function values(doc: Scan, node: number, container: boolean, change: Row | undefined) {
  const none = { value: [], cut: false, isNew: change !== undefined, was: [], timeMs: null, distance: "" };
  if (container) return none;
  const { text, cut } = headText(doc, node, LINE * 4);
  const timeMs = timeOf(isMember(doc, node) ? memberName(doc, node) : "", text);
  const reading = text.startsWith('"') ? null : timeMs;
  const value = change?.text ? quoted(side(change.text, "+")) : cutToLine([{ sign: "=", text }], LINE);
  const isNew = change !== undefined && change.op !== "add";
  const far = isNew && change.old !== null ? farFrom(change, timeMs) : "";
  return {
    value,
    cut: cut || text.length > LINE,
    isNew,
    was: isNew && !far ? wasOf(change) : [],
    timeMs: reading,
    distance: far,
  };
}

/** Between two times their distance says more than the old number. */
function farFrom(change: Row, timeMs: number | null): string {
  const before = timeOf(change.field, change.old ?? "");
  return before !== null && timeMs !== null && !change.old?.startsWith('"') ? distance(before, timeMs) : "";
}

export function wasOf(change: Row): Piece[] {
  if (change.text) return cutToLine(side(change.text, "-"), LINE);
  if (change.old === null) return [];
  const text = change.old.startsWith('"') && !change.cut ? escaped(unquoted(change.old)) : change.old;
  return cutToLine([{ sign: "-", text }], LINE);
}

function quoted(pieces: Piece[]): Piece[] {
  const written = pieces.map(({ sign, text }) => ({ sign, text: escaped(text) }));
  return [{ sign: "=", text: '"' }, ...cutToLine(written, LINE), { sign: "=", text: '"' }];
}

function glyphOf(change: Row | undefined, move: Row | undefined, around: boolean, added: boolean): Glyph {
  if (added) return "added";
  if (move) return "moved";
  return change || around ? "changed" : null;
}

/** Whether a node is part of something that was added as a whole. */
function isInAdded(opened: Opened, node: number): boolean {
  const { doc, marks } = opened;
  return lineage(doc, node).some((at) => marks.rows[marks.byNode.get(at) ?? -1]?.op === "add");
}

function metaOf(opened: Opened, node: number, isRecord: boolean): Meta | null {
  const { doc, keys } = opened;
  const count = doc.size[node] as number;
  if (doc.kind[node] === Kind.Map)
    return isRecord && opened.labels.size > 0 ? null : { count, noun: "member", by: null, array: "" };
  const array = pattern(doc, node);
  const by = keys.get(array) ?? null;
  return { count, noun: by ? "record" : "element", by, array };
}

export function labelOf(opened: Opened, node: number): string | null {
  const { doc, labels } = opened;
  const field = labels.get(pattern(doc, doc.parent[node] as number));
  const at = field === undefined ? -1 : fieldOf(doc, node, field);
  if (at < 0 || doc.kind[at] !== Kind.Text) return null;
  const { text, cut } = headText(doc, at, 160);
  return cut ? `${text.slice(1)}…` : unquoted(text);
}

/** The key of a record as people read it: of an address its last part. */
export function idOf(opened: Opened, node: number): string | null {
  const { doc, keys } = opened;
  const fields = keys.get(pattern(doc, doc.parent[node] as number));
  if (!fields || keyStep(doc, node, fields) === null) return null;
  return fields
    .map((field) => {
      const { text, cut } = headText(doc, fieldOf(doc, node, field), 160);
      return lastPart(text.startsWith('"') && !cut ? unquoted(text) : text);
    })
    .join(", ");
}

/** A number's difference to the one before. */
export function grew(change: Row): string {
  return change.old === null || change.new === null ? "" : (difference(change.old, change.new) ?? "");
}

/** What is gone, as its row says it. */
export function ghostView(
  opened: Opened,
  ghost: Ghost,
): { level: number; name: string; label: string | null; value: string } {
  const row = opened.marks.rows[ghost.row] as Row;
  const isWhole = row.old === null || row.old.startsWith("{") || row.old.startsWith("[");
  return {
    level: (opened.doc.depth[ghost.parent] as number) + 2,
    name: ghost.name,
    label: row.at === "" ? row.label : null,
    value: isWhole ? "" : (row.old ?? "").slice(0, LINE),
  };
}
