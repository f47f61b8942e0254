/**
 * The rows that are seen: nodes of a scanned document, what is gone from it in its place, and counted folds.
 *
 * A row is a number, a node or -1 - the place of an `Extra`: 250,000 rows are a megabyte, and to fold is to splice.
 */

import type { Ghost, Marks } from "./marks";
import { isContainer, lineage } from "./nodes";
import type { Scan } from "./scan";

export type Extra = { kind: "ghost"; ghost: Ghost } | { kind: "fold"; from: number; count: number; depth: number };

/** Branches are opened until so many rows are there. */
const MOST_OPENED = 40;

export class Outline {
  rows: number[] = [];
  extras: Extra[] = [];
  private readonly ghostsBefore = new Map<number, Ghost[]>();
  private readonly ghostsAtEnd = new Map<number, Ghost[]>();

  constructor(
    readonly doc: Scan,
    readonly marks: Marks,
    readonly opened: Set<number>,
    readonly onlyChanged: boolean,
    private readonly unfolded: Set<number> = new Set(),
  ) {
    for (const ghost of marks.ghosts) {
      const atEnd = ghost.before === doc.next[ghost.parent];
      const places = atEnd ? this.ghostsAtEnd : this.ghostsBefore;
      const at = atEnd ? ghost.parent : ghost.before;
      const there = places.get(at);
      if (there) there.push(ghost);
      else places.set(at, [ghost]);
    }
    this.rebuild();
  }

  extra(row: number): Extra {
    return this.extras[-1 - row] as Extra;
  }

  isOpen(node: number): boolean {
    return this.opened.has(node);
  }

  toggle(node: number): void {
    const at = this.rows.indexOf(node);
    if (at < 0 || !isContainer(this.doc, node)) return;
    if (this.opened.delete(node)) {
      const depth = this.doc.depth[node] as number;
      let end = at + 1;
      while (end < this.rows.length && this.depth(this.rows[end] as number) > depth) end += 1;
      this.rows = this.rows.slice(0, at + 1).concat(this.rows.slice(end));
    } else {
      this.opened.add(node);
      this.rows = this.rows.slice(0, at + 1).concat(this.under(node, []), this.rows.slice(at + 1));
    }
  }

  unfold(row: number): void {
    const extra = this.extra(row);
    if (extra.kind !== "fold") return;
    for (let at = extra.from, left = extra.count; left > 0; left -= 1) {
      this.unfolded.add(at);
      at = this.doc.next[at] as number;
    }
    this.rebuild();
  }

  rebuild(): void {
    this.extras = [];
    this.rows = this.under(0, [0]);
  }

  /** Opens what is around a node; its row. */
  reveal(node: number): number {
    let hidden = false;
    for (const above of lineage(this.doc, node).slice(0, -1)) {
      if (!this.opened.has(above)) {
        this.opened.add(above);
        hidden = true;
      }
    }
    if (hidden) this.rebuild();
    const at = this.rows.indexOf(node);
    if (at >= 0 || !this.onlyChanged) return at;
    for (const above of lineage(this.doc, node)) this.unfolded.add(above);
    this.rebuild();
    return this.rows.indexOf(node);
  }

  depth(row: number): number {
    if (row >= 0) return this.doc.depth[row] as number;
    const extra = this.extra(row);
    return extra.kind === "fold" ? extra.depth : (this.doc.depth[extra.ghost.parent] as number) + 1;
  }

  /** Whether anything at or under a node is changed, or it is part of what was added. */
  touched(node: number): boolean {
    const { byNode, moves, counts } = this.marks;
    return byNode.has(node) || moves.has(node) || counts.has(node);
  }

  private under(node: number, rows: number[], whole = false): number[] {
    const { doc } = this;
    if (!isContainer(doc, node) || !this.opened.has(node)) return rows;
    const all = whole || !this.onlyChanged || this.unfolded.has(node) || this.isNew(node);
    let fold: { kind: "fold"; from: number; count: number; depth: number } | null = null;
    for (let at = node + 1; at < (doc.next[node] as number); at = doc.next[at] as number) {
      const gone = this.ghostsBefore.get(at);
      this.ghosts(gone, rows);
      if (all || this.touched(at) || this.unfolded.has(at)) {
        fold = null;
        rows.push(at);
        this.under(at, rows, all);
      } else if (fold && !gone) fold.count += 1;
      else {
        fold = { kind: "fold", from: at, count: 1, depth: doc.depth[at] as number };
        rows.push(this.put(fold));
      }
    }
    this.ghosts(this.ghostsAtEnd.get(node), rows);
    return rows;
  }

  private ghosts(there: readonly Ghost[] | undefined, rows: number[]): void {
    for (const ghost of there ?? []) rows.push(this.put({ kind: "ghost", ghost }));
  }

  private put(extra: Extra): number {
    return -this.extras.push(extra);
  }

  private isNew(node: number): boolean {
    const { byNode, rows } = this.marks;
    return rows[byNode.get(node) ?? -1] !== undefined;
  }
}

/**
 * What is open at first: the document, and each branch in which something changed, until 40 changed places are seen; of a
 * document in which nothing did, level by level until 40 rows are.
 */
export function openedAtFirst(doc: Scan, marks: Marks): Set<number> {
  const opened = new Set<number>(isContainer(doc, 0) ? [0] : []);
  let shown = 0;
  for (const row of marks.rows) {
    if (row.node < 0) continue;
    if (shown >= MOST_OPENED) break;
    shown += 1;
    const around = lineage(doc, row.node);
    for (const node of row.op === "remove" ? around : around.slice(0, -1)) opened.add(node);
  }
  return shown > 0 ? opened : openedByLevel(doc, opened);
}

function openedByLevel(doc: Scan, opened: Set<number>): Set<number> {
  let rows = 1 + (doc.size[0] as number);
  for (let level = [...opened]; level.length > 0; ) {
    const next: number[] = [];
    for (const node of level) {
      for (let at = node + 1; at < (doc.next[node] as number); at = doc.next[at] as number) {
        const size = isContainer(doc, at) ? (doc.size[at] as number) : 0;
        if (size === 0 || rows + size > MOST_OPENED) continue;
        rows += size;
        opened.add(at);
        next.push(at);
      }
    }
    level = next;
  }
  return opened;
}
