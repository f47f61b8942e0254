/** What of a document is open, focused and found, kept from version to version by key path. */

import { computed, signal } from "@preact/signals";

import { isContainer } from "./nodes";
import type { Opened } from "./opened";
import { Outline, openedAtFirst } from "./outline";
import { keyPath } from "./paths";

export type Show = "all" | "changed" | "text";

export class TreeModel {
  readonly opened = signal<Opened | null>(null);
  readonly show = signal<Show>("all");
  readonly focus = signal(0);
  readonly cell = signal(0);
  /** The row whose value is shown whole; -1 of none. */
  readonly whole = signal(-1);
  readonly query = signal("");
  readonly hits = signal<{ nodes: Int32Array; total: number } | null>(null);
  /** By how many rows what is focused has come elsewhere: the view scrolls along. */
  readonly shift = signal({ rows: 0, at: 0 });
  /** Grows when rows open or close. */
  readonly changed = signal(0);
  /** The row that has to be seen. */
  readonly wanted = signal({ row: -1, at: 0 });
  private readonly own = new Map<string, boolean>();

  readonly outline = computed<Outline | null>(() => {
    const opened = this.opened.value;
    if (!opened) return null;
    const open = openedAtFirst(opened.doc, opened.marks);
    for (const [path, isOpen] of this.own) {
      const node = opened.places.resolve(path);
      if (node < 0 || !isContainer(opened.doc, node)) continue;
      if (isOpen) open.add(node);
      else open.delete(node);
    }
    return new Outline(opened.doc, opened.marks, open, this.show.value === "changed");
  });

  /** The same document with its changes, or another version: what is focused stays where it is on the screen, and open. */
  set(next: Opened | null): void {
    const path = this.path();
    const before = this.focus.peek();
    this.opened.value = next;
    this.hits.value = null;
    const outline = this.outline.peek();
    if (!next || !outline) return;
    const node = path === null ? -1 : next.places.resolve(path);
    const shown = outline.rows.length;
    const isKept = node > 0 && this.show.peek() !== "changed"; // there an unchanged value lies in its fold
    const row = isKept ? outline.reveal(node) : node < 0 ? -1 : outline.rows.indexOf(node);
    if (outline.rows.length !== shown) this.changed.value += 1;
    this.focus.value = row >= 0 ? row : Math.min(before, outline.rows.length - 1);
    this.whole.value = row >= 0 && this.whole.peek() === before ? row : -1;
    if (row >= 0 && row !== before) this.shift.value = { rows: row - before, at: this.shift.peek().at + 1 };
  }

  get rows(): number {
    this.changed.value;
    return this.outline.value?.rows.length ?? 0;
  }

  /** The node of a row: of what is gone and of folds -1. */
  node(row = this.focus.peek()): number {
    const at = this.outline.peek()?.rows[row];
    return at !== undefined && at >= 0 ? at : -1;
  }

  path(row = this.focus.peek()): string | null {
    const opened = this.opened.peek();
    const node = this.node(row);
    return opened && node >= 0 ? keyPath(opened.doc, node, opened.keys) : null;
  }

  go(row: number, cell = 0): void {
    const last = (this.outline.peek()?.rows.length ?? 1) - 1;
    this.focus.value = Math.max(0, Math.min(last, row));
    this.cell.value = cell;
    this.wanted.value = { row: this.focus.peek(), at: this.wanted.peek().at + 1 };
  }

  toggle(row: number): void {
    const outline = this.outline.peek();
    const at = outline?.rows[row];
    if (!outline || at === undefined) return;
    if (at < 0) outline.unfold(at);
    else {
      outline.toggle(at);
      const path = this.path(row);
      if (path !== null) this.own.set(path, outline.isOpen(at));
    }
    this.changed.value += 1;
  }

  /** Opens what is around a node and goes there. */
  reveal(node: number): void {
    const row = this.outline.peek()?.reveal(node) ?? -1;
    this.changed.value += 1;
    if (row >= 0) this.go(row);
  }

  /** The row of a parent. */
  above(row: number): number {
    const outline = this.outline.peek();
    if (!outline) return row;
    const depth = outline.depth(outline.rows[row] as number);
    let at = row;
    while (at > 0 && outline.depth(outline.rows[at] as number) >= depth) at -= 1;
    return at;
  }

  /** The next or previous hit from what is focused. */
  hit(step: 1 | -1): void {
    const found = this.hits.peek()?.nodes;
    if (!found || found.length === 0) return;
    const here = this.node();
    let low = 0;
    let high = found.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((found[middle] as number) <= here) low = middle + 1;
      else high = middle;
    }
    const at = step > 0 ? low : found[low - 1] === here ? low - 2 : low - 1;
    this.reveal(found[(at + found.length) % found.length] as number);
  }

  /** Which of the hits is focused, from 1; 0 of none. */
  hitNumber(): number {
    const found = this.hits.value?.nodes;
    const focus = this.focus.value;
    return found ? found.indexOf(this.node(focus)) + 1 : 0;
  }
}
