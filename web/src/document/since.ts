/**
 * Since when values are what they are: a blame of what is seen, asked for once the view rests, by branches small enough to
 * be answered at once.
 */

import { signal } from "@preact/signals";

import { clock as clockOf, moment, plainDay } from "../time/clock";
import { dayStart } from "../time/moments";
import { numberOf, type ValueTime } from "./history";
import { isContainer } from "./nodes";
import type { Opened } from "./opened";
import { keyPath } from "./paths";
import { Kind } from "./scan";

export interface Since {
  changes: number;
  /** Five ages, newest first. */
  age: 0 | 1 | 2 | 3 | 4;
  text: string;
  exact: string;
  /** What the value was before, in words; empty where that is not known. */
  was: string;
  /** The path of a sparkline, of numbers that changed often. */
  line: string | null;
}

export type SinceOf = (node: number) => Since | null;

export interface BlamedLeaf {
  path: string;
  snapshot_id: string;
  captured_at: string;
  changes?: number;
  /** What it was before; null where no version came before, absent where the server did not look. */
  previous?: PreviousValue | null;
}

export interface PreviousValue {
  snapshot_id: string;
  captured_at: string;
  /** As its document writes it, cut where it is long; absent where it was not there. */
  value?: string;
  cut?: boolean;
}

export interface Kept {
  firstMs: number;
  shownMs: number;
  shownId: string;
  zone: string;
}

/** What the loader asks: a blame of a branch, and the values that a place had. */
export interface Questions {
  blame: (snapshot: string, path: string, signal: AbortSignal) => Promise<BlamedLeaf[]>;
  values: (path: string, signal: AbortSignal) => Promise<readonly ValueTime[]>;
}

/** A sparkline says something from so many changes on. */
const MANY = 8;

/** Of a former value where there is little room. */
const MOST_LETTERS = 60;

const LARGEST_BRANCH = 600;
const REST_MS = 220;

export class SinceLoader {
  /** Grows when more is known. */
  readonly known = signal(0);
  private leaves = new Map<number, BlamedLeaf>();
  private asked = new Set<number>();
  private opened: Opened | null = null;
  private timer: ReturnType<typeof setTimeout> | undefined;
  private leaving = new AbortController();
  private busy = false;

  /** Sparklines by path: they are the endpoint's, whatever version is looked at. */
  private readonly lines = new Map<string, string>();

  constructor(private readonly questions: Questions) {}

  set(opened: Opened | null): void {
    if (opened?.doc === this.opened?.doc) {
      this.opened = opened;
      return;
    }
    this.stop();
    this.opened = opened;
    this.leaves = new Map();
    this.asked = new Set();
    this.known.value += 1;
  }

  stop(): void {
    clearTimeout(this.timer);
    this.leaving.abort();
    this.leaving = new AbortController();
    this.busy = false;
  }

  /** What is on the screen now. */
  seen(nodes: readonly number[]): void {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => void this.ask(nodes), REST_MS);
  }

  leaf(node: number): BlamedLeaf | null {
    const doc = this.opened?.doc;
    for (let at = node; doc && at >= 0; at = doc.parent[at] as number) {
      const found = this.leaves.get(at);
      if (found) return found;
    }
    return null;
  }

  line(path: string): string | null {
    return this.lines.get(path) || null;
  }

  private async ask(nodes: readonly number[]): Promise<void> {
    const { opened } = this;
    if (!opened || this.busy) return;
    this.busy = true;
    const { signal: left } = this.leaving;
    try {
      for (const node of nodes) {
        if (isContainer(opened.doc, node) && opened.doc.size[node] !== 0) continue;
        const branch = this.branch(opened, node);
        if (this.asked.has(branch)) continue;
        this.asked.add(branch);
        const found = await this.questions.blame(opened.id, keyPath(opened.doc, branch, opened.keys), left);
        if (left.aborted) return;
        for (const leaf of found) this.leaves.set(opened.places.resolve(leaf.path), leaf);
        this.known.value += 1;
      }
      await this.draw(opened, nodes, left);
    } catch {
      // Since when a value stands is told beside the document: without an answer its cells stay empty.
    } finally {
      if (!left.aborted) this.busy = false;
    }
  }

  /** Sparklines of the numbers that are seen and changed often. */
  private async draw(opened: Opened, nodes: readonly number[], left: AbortSignal): Promise<void> {
    for (const node of nodes) {
      const leaf = opened.doc.kind[node] === Kind.Number ? this.leaf(node) : null;
      if (!leaf || (leaf.changes ?? 0) <= MANY || this.lines.has(leaf.path)) continue;
      this.lines.set(leaf.path, "");
      const values = await this.questions.values(leaf.path, left);
      if (left.aborted) {
        this.lines.delete(leaf.path);
        return;
      }
      this.lines.set(
        leaf.path,
        stepLine(
          values.map((value) => value.ms),
          values.map(numberOf),
        ),
      );
      this.known.value += 1;
    }
  }

  /** The largest branch around a node that is small enough. */
  private branch({ doc }: Opened, node: number): number {
    let at = node;
    for (let above = doc.parent[at] as number; above >= 0; above = doc.parent[above] as number) {
      if ((doc.next[above] as number) - above > LARGEST_BRANCH) break;
      at = above;
    }
    return at;
  }
}

/** How a leaf's time is written: shorter the nearer it is. */
export function sinceOf(leaf: BlamedLeaf, kept: Kept, line: string | null): Since {
  const ms = Date.parse(leaf.captured_at);
  const age = ageOf(leaf, ms, kept);
  const sameDay = dayStart(ms, kept.zone) === dayStart(kept.shownMs, kept.zone);
  const text =
    age === 0 ? "this version" : age === 4 ? "the start" : sameDay ? clockOf(ms, kept.zone) : plainDay(ms, kept.zone);
  return { changes: leaf.changes ?? 0, age, text, exact: moment(ms, kept.zone), was: wasOf(leaf), line };
}

/** "was 131"; "not there before"; nothing of what has stood from the start. */
export function wasOf({ previous }: BlamedLeaf): string {
  if (!previous) return "";
  if (previous.value === undefined) return "not there before";
  const letters = [...previous.value];
  const isLong = letters.length > MOST_LETTERS || previous.cut === true;
  return `was ${letters.slice(0, MOST_LETTERS).join("")}${isLong ? "…" : ""}`;
}

function ageOf(leaf: BlamedLeaf, ms: number, kept: Kept): Since["age"] {
  if (leaf.snapshot_id === kept.shownId) return 0;
  if (ms <= kept.firstMs) return 4;
  const share = (kept.shownMs - ms) / Math.max(1, kept.shownMs - kept.firstMs);
  return share < 1 / 30 ? 1 : share < 1 / 5 ? 2 : 3;
}

/** A step line in a box of 56 by 16, of numbers at their times. */
export function stepLine(
  times: readonly number[],
  values: readonly (number | null)[],
  width = 56,
  height = 16,
): string {
  const known = values.filter((value): value is number => value !== null);
  if (known.length < 2) return "";
  const [low, high] = [Math.min(...known), Math.max(...known)];
  const [from, to] = [times[0] as number, times.at(-1) as number];
  const x = (ms: number): string => (((ms - from) / Math.max(1, to - from)) * width).toFixed(1);
  const y = (value: number): string => (height - 2 - ((value - low) / (high - low || 1)) * (height - 4)).toFixed(1);
  let path = "";
  let pen = false;
  values.forEach((value, i) => {
    const at = times[i] as number;
    if (value === null) {
      if (pen) path += `H${x(at)}`;
      pen = false;
    } else {
      path += pen ? `H${x(at)}V${y(value)}` : `M${x(at)} ${y(value)}`;
      pen = true;
    }
  });
  return pen ? `${path}H${width}` : path;
}
