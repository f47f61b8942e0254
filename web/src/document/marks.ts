/**
 * What a version changed, laid over its document: a delta's rows (`format=rows`), read from the answer's own bytes so
 * that old values stay exact, and the nodes that they are about.
 */

import { children, memberName, rawText, unquoted } from "./nodes";
import { type Keys, parted } from "./paths";
import { Places } from "./places";
import { Kind, type Scan } from "./scan";

export type Op = "add" | "remove" | "replace" | "move";
export type Run = [sign: "=" | "-" | "+", text: string];

export interface Row {
  op: Op;
  field: string;
  /** Key path of the record it is in; null of a change outside of records. */
  record: string | null;
  label: string | null;
  /** The place within the record, or in the document. */
  at: string;
  /** Places in a list, of the record or of another element that came, went or moved. */
  before: number | null;
  after: number | null;
  /** Values as the documents write them. */
  old: string | null;
  new: string | null;
  text: Run[] | null;
  /** How many values an object or a list has. */
  leaves: number | null;
  cut: boolean;
  /** The changed node, or that of the list or map out of which something is gone. */
  node: number;
}

export interface Counts {
  added: number;
  removed: number;
  changed: number;
  moved: number;
}

/** What is gone, and where it stood. */
export interface Ghost {
  row: number;
  parent: number;
  /** The node that it stood before; `next[parent]` where it was the last. */
  before: number;
  name: string;
}

export interface Group {
  record: string | null;
  label: string | null;
  node: number;
  rows: number[];
}

export interface Marks {
  rows: Row[];
  /** Of the delta, however many of its rows are here. */
  total: number;
  /** Rows by the node they changed. */
  byNode: Map<number, number>;
  moves: Map<number, number>;
  /** What is changed at and under a list or map. */
  counts: Map<number, Counts>;
  ghosts: Ghost[];
  groups: Group[];
}

/** What of a delta is said about it as a whole. */
export interface Head {
  /** Of the whole delta. */
  totals: Counts | null;
  kind: string | null;
  similarity: number | null;
  keys: Keys;
}

export function head(answer: Scan): Head {
  const read = new Places(answer);
  const text = (path: string): string | null => {
    const at = read.resolve(path);
    return at < 0 || answer.kind[at] === Kind.Null ? null : rawText(answer, at);
  };
  const keys = new Map<string, string[]>();
  const lists = read.resolve("/keys");
  for (const list of lists < 0 ? [] : children(answer, lists)) {
    const fields = read.resolve("/fields", list);
    if (fields >= 0)
      keys.set(
        memberName(answer, list),
        [...children(answer, fields)].map((at) => unquoted(rawText(answer, at))),
      );
  }
  const similarity = text("/similarity_score");
  const kind = text("/kind");
  const number = (name: string): number => Number(text(`/${name}`) ?? 0);
  const totals = {
    added: number("added"),
    removed: number("removed"),
    changed: number("replaced"),
    moved: number("moved"),
  };
  return { totals, kind: kind && unquoted(kind), similarity: similarity === null ? null : Number(similarity), keys };
}

export function noMarks(): Marks {
  return { rows: [], total: 0, byNode: new Map(), moves: new Map(), counts: new Map(), ghosts: [], groups: [] };
}

/** `answers` are the windows of one delta, in order. */
export function marks(places: Places, answers: readonly Scan[]): Marks {
  const found = noMarks();
  for (const answer of answers) {
    const read = new Places(answer);
    const total = read.resolve("/total");
    if (total >= 0) found.total = Number(rawText(answer, total));
    const rows = read.resolve("/rows");
    for (const node of rows < 0 ? [] : children(answer, rows)) found.rows.push(readRow(answer, node));
  }
  for (const [i, row] of found.rows.entries()) lay(places, found, row, i);
  placeGhosts(places, found);
  found.groups = grouped(found.rows, places);
  return found;
}

/** What is left out of a long text is a run of its own, with its length. */
function readRun([sign, text]: [string, string | number]): Run {
  return sign === "…" ? ["=", " … "] : [sign as Run[0], String(text)];
}

function readRow(answer: Scan, node: number): Row {
  const given = new Map([...children(answer, node)].map((child) => [memberName(answer, child), child]));
  const raw = (name: string): string | null => {
    const at = given.get(name);
    return at === undefined ? null : rawText(answer, at);
  };
  const text = (name: string): string | null => {
    const at = given.get(name);
    return at === undefined || answer.kind[at] !== Kind.Text ? null : unquoted(rawText(answer, at));
  };
  const number = (name: string): number | null => {
    const at = given.get(name);
    return at === undefined || answer.kind[at] !== Kind.Number ? null : Number(rawText(answer, at));
  };
  const runs = raw("text");
  return {
    op: (text("op") ?? "replace") as Op,
    field: text("field") ?? "",
    record: text("record") || null,
    label: text("label"),
    at: text("at") ?? "",
    before: number("before"),
    after: number("after"),
    old: raw("old"),
    new: raw("new"),
    text: runs === null ? null : (JSON.parse(runs) as [string, string | number][]).map(readRun),
    leaves: number("leaves"),
    cut: raw("cut") === "true",
    node: -1,
  };
}

function lay(places: Places, found: Marks, row: Row, i: number): void {
  const path = row.at === "" || row.at.startsWith("/") ? row.at : `/${row.at}`;
  const gone = row.op === "remove";
  const base = recordNode(places, row, gone && path === "");
  if (base < 0) return;
  if (gone) {
    const { above, name } = parted(path === "" ? (row.record ?? "") : path);
    row.node = path === "" ? base : places.nearest(above, base);
    found.ghosts.push({ row: i, parent: row.node, before: -1, name });
    count(places.doc, found, row.node, "removed");
    return;
  }
  row.node = places.resolve(path, base);
  if (row.node < 0) return;
  (row.op === "move" ? found.moves : found.byNode).set(row.node, i);
  count(
    places.doc,
    found,
    places.doc.parent[row.node] as number,
    row.op === "move" ? "moved" : row.op === "add" ? "added" : "changed",
  );
}

/** The record a row is in; of one that is gone what it was in. */
function recordNode(places: Places, row: Row, gone: boolean): number {
  if (row.record === null) return 0;
  return places.resolve(gone ? parted(row.record).above : row.record);
}

function count(doc: Scan, found: Marks, from: number, what: keyof Counts): void {
  for (let node = from; node >= 0; node = doc.parent[node] as number) {
    let counts = found.counts.get(node);
    if (!counts) {
      counts = { added: 0, removed: 0, changed: 0, moved: 0 };
      found.counts.set(node, counts);
    }
    counts[what] += 1;
  }
}

/**
 * What is gone from a list stands before the element that followed it: as many elements that stayed are before it as were.
 * Of a map it stands last.
 */
function placeGhosts(places: Places, found: Marks): void {
  const byParent = new Map<number, Ghost[]>();
  for (const ghost of found.ghosts) byParent.set(ghost.parent, [...(byParent.get(ghost.parent) ?? []), ghost]);
  for (const [parent, ghosts] of byParent) {
    const end = places.doc.next[parent] as number;
    if (places.doc.kind[parent] !== Kind.List) {
      for (const ghost of ghosts) ghost.before = end;
      continue;
    }
    const stayed = places.elementsOf(parent).filter((node) => found.rows[found.byNode.get(node) ?? -1]?.op !== "add");
    ghosts.sort((a, b) => oldPlace(found.rows[a.row] as Row, a) - oldPlace(found.rows[b.row] as Row, b));
    ghosts.forEach((ghost, gone) => {
      ghost.before = stayed[oldPlace(found.rows[ghost.row] as Row, ghost) - gone] ?? end;
    });
  }
}

function oldPlace(row: Row, ghost: Ghost): number {
  return row.before ?? (Number(ghost.name) || 0);
}

function grouped(rows: readonly Row[], places: Places): Group[] {
  const found: Group[] = [];
  const outside: number[] = [];
  rows.forEach((row, i) => {
    if (row.record === null) {
      outside.push(i);
      return;
    }
    const last = found.at(-1);
    if (last?.record === row.record) last.rows.push(i);
    else
      found.push({
        record: row.record,
        label: row.label,
        node: recordNode(places, row, row.op === "remove" && row.at === ""),
        rows: [i],
      });
  });
  if (outside.length > 0) found.push({ record: null, label: null, node: 0, rows: outside });
  return found;
}
