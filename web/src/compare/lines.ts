// The lines of the ledger: a head for each record, its changes under it, the values of a new or gone one when opened.

import { lastPart } from "../addresses.ts";
import type { Leaf } from "./exact.ts";
import type { Op } from "./filters.ts";
import type { Loaded } from "./windows.ts";
import type { TextRun } from "./words.ts";

/** `same`: what did not change. */
export type RowOp = Op | "same";

/** A change as the API gives it; `old` and `new` are JSON text. */
export interface Row {
  n: number;
  op: RowOp;
  field: string;
  /** The record's path; "" is the document beside all records. */
  record: string;
  label?: string;
  key?: Record<string, unknown>;
  at: string;
  /** Places in an array, from 0. */
  before?: number;
  after?: number;
  /** How many values an object or array has. */
  leaves?: number;
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
  return `${line.kind === "rest" ? "rest" : "whole"} ${line.row.record}`;
}

/** The path of a change in the document. */
export function pathOf(row: Row): string {
  const at = row.at === "" || row.at.startsWith("/") ? row.at : `/${row.at}`;
  return row.record + at;
}

/** What a line is about: a value, a record, or the document. */
export function pathOfLine(line: Line): string {
  const { record } = line.row;
  if (line.kind === "change") return pathOf(line.row);
  if (line.kind !== "value") return record;
  return `${record}/${line.leaf.path.replace(/^\//, "")}`.replace(/\/$/, "");
}

/** Whether the row is a record as a whole: new, gone, replaced or moved, and so a head by itself. */
export function isWhole(row: Row): boolean {
  return row.record !== "" && row.at === "";
}

/** The lines of one window. A group that began in an earlier window has its head there. */
export function linesOf(loaded: Loaded<Row>, shown: Shown): Line[] {
  const lines: Line[] = [];
  let group = loaded.previous ? loaded.previous.record : null;
  for (const [i, row] of loaded.rows.entries()) {
    const record = row.record;
    const begins = record !== group;
    group = record;
    if (isWhole(row) && row.op !== "move") {
      lines.push(...whole(row, shown.opened));
      continue;
    }
    const isFolded = shown.folded.has(record);
    if (begins) lines.push(head(loaded.rows, i, isFolded));
    if (begins && shown.all && !isFolded && row.record !== "") lines.push(...rest(row, shown.opened));
    if (!isFolded && !isWhole(row)) lines.push({ kind: "change", key: `${row.n}`, row });
  }
  return lines;
}

/** With how many changes it has, as far as its window tells. */
function head(rows: Row[], at: number, folded: boolean): Line {
  const row = rows[at] as Row;
  let end = at;
  let count = 0;
  while (end < rows.length && (rows[end] as Row).record === row.record) {
    if (!isWhole(rows[end] as Row) && (rows[end] as Row).op !== "same") count += 1;
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

/** What identifies a record, for people: the values of its key, else the last step of its path. */
export function idOf({ record, key }: Pick<Row, "record" | "key">): string {
  const values = Object.values(key ?? {});
  if (values.length > 0) return values.map((value) => lastPart(String(value))).join(", ");
  return record
    .slice(record.lastIndexOf("/") + 1)
    .replaceAll("~1", "/")
    .replaceAll("~0", "~");
}
