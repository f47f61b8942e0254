// The lines of the ledger: a head for each record, its changes under it, the values of a new or gone one when opened.

import type { Leaf } from "./exact.ts";
import type { Op } from "./filters.ts";
import type { Loaded } from "./windows.ts";
import type { TextRun } from "./words.ts";

/** A change as the API gives it; `old` and `new` are JSON text. */
export interface Row {
  n: number;
  op: Op;
  field: string;
  record?: string;
  label?: string;
  at: string;
  before?: string;
  after?: string;
  old?: string;
  new?: string;
  text?: TextRun[];
  cut?: boolean;
}

export type Line =
  | { kind: "head"; key: string; row: Row; folded: boolean; count: number }
  | { kind: "whole"; key: string; row: Row; open: boolean }
  | { kind: "change"; key: string; row: Row }
  | { kind: "value"; key: string; row: Row; leaf: Leaf }
  | { kind: "more"; key: string; row: Row; count: number }
  | { kind: "rest"; key: string; row: Row; count: number | null };

export interface Inside {
  leaves: Leaf[];
  complete: boolean;
}

/** What is open: the values of a new or gone record, the unchanged ones of another, by `keyOf`. */
export type Opened = ReadonlyMap<string, Inside>;

export interface Shown {
  folded: ReadonlySet<string>;
  opened: Opened;
  /** With what did not change, folded under each head. */
  all: boolean;
}

/** By what the opened part of a line's record is known. */
export function keyOf(line: Pick<Line, "kind" | "row">): string {
  return `${line.kind === "rest" ? "rest" : "whole"} ${recordOf(line.row)}`;
}

/** The path of a change in the document. */
export function pathOf(row: Row): string {
  const at = row.at === "" || row.at.startsWith("/") ? row.at : `/${row.at}`;
  return recordOf(row) + at;
}

/** The record that a change belongs to; "" is the document beside all records. */
export function recordOf(row: Row): string {
  return row.record ?? "";
}

/** Whether the row is a record as a whole: new, gone, replaced or moved, and so a head by itself. */
export function isWhole(row: Row): boolean {
  return row.record !== undefined && row.at === "";
}

/** The lines of one window. A group that began in an earlier window has its head there. */
export function linesOf(loaded: Loaded<Row>, shown: Shown): Line[] {
  const lines: Line[] = [];
  let group = loaded.previous ? recordOf(loaded.previous) : null;
  for (const [i, row] of loaded.rows.entries()) {
    const record = recordOf(row);
    const begins = record !== group;
    group = record;
    if (isWhole(row) && row.op !== "move") {
      lines.push(...whole(row, shown.opened));
      continue;
    }
    const isFolded = shown.folded.has(record);
    if (begins) lines.push(head(loaded.rows, i, isFolded));
    if (begins && shown.all && !isFolded && row.record !== undefined) lines.push(...rest(row, shown.opened));
    if (!isFolded && !isWhole(row)) lines.push({ kind: "change", key: `${row.n}`, row });
  }
  return lines;
}

function head(rows: Row[], at: number, folded: boolean): Line {
  const row = rows[at] as Row;
  let end = at;
  let count = 0;
  while (end < rows.length && recordOf(rows[end] as Row) === recordOf(row)) {
    if (!isWhole(rows[end] as Row)) count += 1;
    end += 1;
  }
  return { kind: "head", key: `${row.n}h`, row, folded, count };
}

function whole(row: Row, opened: Opened): Line[] {
  const inside = opened.get(keyOf({ kind: "whole", row }));
  const first: Line = { kind: "whole", key: `${row.n}`, row, open: inside !== undefined };
  return inside ? [first, ...values(row, inside, "v")] : [first];
}

function rest(row: Row, opened: Opened): Line[] {
  const inside = opened.get(keyOf({ kind: "rest", row }));
  const first: Line = { kind: "rest", key: `${row.n}r`, row, count: inside?.leaves.length ?? null };
  return inside ? [first, ...values(row, inside, "u")] : [first];
}

function values(row: Row, { leaves, complete }: Inside, letter: string): Line[] {
  const lines = leaves.map((leaf, i): Line => ({ kind: "value", key: `${row.n}${letter}${i}`, row, leaf }));
  return complete ? lines : [...lines, { kind: "more", key: `${row.n}${letter}m`, row, count: leaves.length }];
}

const LAST_KEY = /\[([^\]]*)\]$|\/([^/[=]+)=([^/]*)$/;

/** What identifies a record, for people: of `/features/[properties/code=7000q0bb]` it is `7000q0bb`. */
export function idOf(record: string): string {
  const found = LAST_KEY.exec(record);
  if (!found) return record.slice(record.lastIndexOf("/") + 1);
  if (found[3] !== undefined) return found[3];
  const pairs = (found[1] ?? "").match(/=("(?:[^"\\]|\\.)*"|[^,]*)/g) ?? [];
  return pairs.map((pair) => (pair[1] === '"' ? String(JSON.parse(pair.slice(1))) : pair.slice(1))).join(", ");
}

/** An index of an array as a place that people count by: the last step of a pointer. */
export function placeOf(path: string | undefined): number | null {
  const step = path?.slice(path.lastIndexOf("/") + 1) ?? "";
  return /^\d+$/.test(step) ? Number(step) : null;
}
