// What the ledger shows at a place of its scroll, and where its cursor goes: the state behind Ledger.tsx.

import { signal } from "@preact/signals";
import { Geometry, type Heights } from "./geometry.ts";
import { type Inside, keyOf, type Line, linesOf, type Opened, pathOfLine, type Row, type Shown } from "./lines.ts";
import { type Loaded, Windows } from "./windows.ts";

export const WINDOW = 200;
const MOST_WINDOWS = 12;

export interface Placed {
  line: Line;
  window: number;
  top: number;
  height: number;
  /** From 1, of all lines. */
  number: number;
}

export interface Cursor {
  window: number;
  key: string;
}

export interface LedgerSource {
  /** How many rows there are with the filter of the moment, and on how many lines with the heads of records. */
  total: number;
  lines: number;
  first: Row[];
  load: (start: number, count: number, signal: AbortSignal) => Promise<Row[]>;
  /** Where the row at a path stands among all; null where none is there. */
  placeOf: (path: string, signal: AbortSignal) => Promise<number | null>;
}

interface Made extends Shown {
  loaded: Loaded<Row>;
  lines: Line[];
}

const PLAIN: Shown = { folded: new Set(), opened: new Map(), all: false };

function isSame(a: Shown, b: Shown): boolean {
  return a.folded === b.folded && a.opened === b.opened && a.all === b.all;
}

/** One comparison with one filter; another makes a new one. */
export class Ledger {
  readonly total: number;
  readonly geometry: Geometry;
  /** Counts what changed since: a window came, a fold opened. */
  readonly version = signal(0);
  readonly folded = signal<ReadonlySet<string>>(new Set());
  readonly opened = signal<Opened>(new Map());
  readonly cursor = signal<Cursor | null>(null);
  readonly windows: Windows<Row>;
  private readonly made = new Map<number, Made>();
  readonly placeOf: LedgerSource["placeOf"];
  private sought: { window: number; row: number | null; go: (cursor: Cursor) => void } | null = null;

  constructor(
    source: LedgerSource,
    private heights: Heights,
    /** With what did not change in a record, folded under its head. */
    private readonly all: boolean,
  ) {
    this.placeOf = source.placeOf;
    this.total = source.total;
    this.geometry = new Geometry(source.total, WINDOW, heights, source.lines);
    this.windows = new Windows<Row>({
      size: WINDOW,
      most: MOST_WINDOWS,
      load: source.load,
      changed: (window) => this.arrived(window),
    });
    if (source.first.length > 0) this.windows.put(0, { rows: source.first.slice(0, WINDOW), previous: undefined });
    this.lines(0);
  }

  setHeights(heights: Heights): void {
    if (heights.head === this.heights.head && heights.change === this.heights.change) return;
    this.heights = heights;
    this.geometry.setHeights(heights);
    this.version.value += 1;
  }

  /** The lines of a window, null while it is not here. */
  lines(window: number): Line[] | null {
    const loaded = this.windows.at(window);
    if (!loaded) {
      this.made.delete(window);
      return null;
    }
    const before = this.made.get(window);
    const shown = { folded: this.folded.value, opened: this.opened.value, all: this.all };
    if (before?.loaded === loaded && isSame(before, shown)) return before.lines;
    const lines = linesOf(loaded, shown);
    this.made.set(window, { loaded, ...shown, lines });
    const changes = lines.filter((line) => line.kind === "change").length;
    const plain = linesOf(loaded, PLAIN).length;
    this.geometry.set(window, { heads: lines.length - changes, changes, plain });
    return lines;
  }

  /** Asks for what stands between two pixels and is not here. */
  want(top: number, bottom: number): void {
    if (this.total > 0 && !this.sought) this.windows.want(this.geometry.at(top), this.geometry.at(bottom));
  }

  /** The lines between two pixels, of those that are here. */
  between(top: number, bottom: number): Placed[] {
    const [first, last] = [this.geometry.at(top), this.geometry.at(bottom)];
    const placed: Placed[] = [];
    for (let window = first; window <= last; window += 1) {
      const lines = this.lines(window);
      if (lines) this.place(window, lines, top, bottom, placed);
    }
    return placed;
  }

  private place(window: number, lines: Line[], top: number, bottom: number, placed: Placed[]): void {
    let y = this.geometry.top(window);
    let number = this.geometry.lines(window);
    for (const line of lines) {
      const height = this.heightOf(line);
      number += 1;
      if (y + height > top && y < bottom) placed.push({ line, window, top: y, height, number });
      y += height;
    }
  }

  private heightOf(line: Line): number {
    return line.kind === "change" ? this.heights.change : this.heights.head;
  }

  /** Where the cursor's line stands; null where its window is not here. */
  placedAt(cursor: Cursor): Placed | null {
    const lines = this.lines(cursor.window) ?? [];
    let top = this.geometry.top(cursor.window);
    for (const [i, line] of lines.entries()) {
      const height = this.heightOf(line);
      if (line.key === cursor.key) {
        return { line, window: cursor.window, top, height, number: this.geometry.lines(cursor.window) + i + 1 };
      }
      top += height;
    }
    return null;
  }

  /** The line so many lines away, as far as windows are here. */
  beside(cursor: Cursor, by: number): Cursor {
    let window = cursor.window;
    let lines = this.lines(window) ?? [];
    let at = lines.findIndex((line) => line.key === cursor.key) + by;
    while (at < 0 && window > 0) {
      const before = this.lines(window - 1);
      if (!before) break;
      window -= 1;
      lines = before;
      at += lines.length;
    }
    while (at >= lines.length && window + 1 < this.geometry.windows) {
      const after = this.lines(window + 1);
      if (!after) break;
      at -= lines.length;
      window += 1;
      lines = after;
    }
    const line = lines[Math.max(0, Math.min(at, lines.length - 1))];
    return line ? { window, key: line.key } : cursor;
  }

  /** The head of the record that a line belongs to, as far up as windows are here. */
  headOf(cursor: Cursor): Cursor {
    for (let at = cursor; ; ) {
      const kind = this.placedAt(at)?.line.kind;
      const before = this.beside(at, -1);
      if (kind === "head" || kind === "whole" || before.key === at.key) return at;
      at = before;
    }
  }

  /** Loads a window, then goes to its last line. */
  seek(window: number, go: (cursor: Cursor) => void): void {
    this.sought = { window, row: null, go };
    this.windows.want(window, window);
  }

  /** Goes to the line of a row by its place, whose window may have to come first. */
  seekRow(row: number, go: (cursor: Cursor) => void): void {
    const there = this.cursorAt(row);
    if (there) go(there);
    else {
      const window = Math.floor(row / WINDOW);
      this.sought = { window, row, go };
      this.windows.want(window, window);
    }
  }

  /** The path in the document of the line that a cursor is at. */
  pathAt(cursor: Cursor): string | null {
    const line = this.placedAt(cursor)?.line;
    return line ? pathOfLine(line) : null;
  }

  private arrived(window: number): void {
    const lines = this.lines(window);
    const sought = this.sought;
    if (sought?.window === window) {
      this.sought = null;
      const last = lines?.at(-1);
      const there = sought.row === null ? last && { window, key: last.key } : this.cursorAt(sought.row);
      if (there) sought.go(there);
    }
    this.version.value += 1;
  }

  /** The line of a row by its place among those that are listed, once its window is here. */
  cursorAt(place: number): Cursor | null {
    const window = Math.floor(place / WINDOW);
    const row = this.windows.at(window)?.rows[place % WINDOW];
    if (!row) return null;
    const lines = this.lines(window) ?? [];
    const own = lines.filter((one) => one.row === row);
    const line = own.find((one) => one.kind !== "head" && one.kind !== "rest") ?? own[0];
    return line ? { window, key: line.key } : null;
  }

  /** The rows of the window that a row is in. */
  rowsNear(row: Row): Row[] {
    for (const { loaded } of this.made.values()) if (loaded.rows.includes(row)) return loaded.rows;
    return [row];
  }

  fold(record: string, folded: boolean): void {
    const next = new Set(this.folded.value);
    if (folded) next.add(record);
    else next.delete(record);
    this.folded.value = next;
    this.remake();
  }

  open(line: Line, inside: Inside | null): void {
    const next = new Map(this.opened.value);
    if (inside) next.set(keyOf(line), inside);
    else next.delete(keyOf(line));
    this.opened.value = next;
    this.remake();
  }

  private remake(): void {
    for (const window of [...this.made.keys()]) this.lines(window);
    this.version.value += 1;
  }

  close(): void {
    this.windows.close();
  }
}
