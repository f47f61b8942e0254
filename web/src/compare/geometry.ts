// Where each window of the ledger stands, in pixels, before all of them are known.

export interface Heights {
  /** Of heads, whole records and their values. */
  head: number;
  /** Of changes: where the window is narrow, their two values stand under each other. */
  change: number;
}

interface Counts {
  heads: number;
  changes: number;
  /** Lines without anything folded or opened. */
  plain: number;
}

/** Windows that are not known yet are taken to have what the known ones leave of `lines`. */
export class Geometry {
  private readonly known = new Map<number, Counts>();
  private tops: number[] | null = null;
  private linesBefore: number[] = [];

  constructor(
    private readonly total: number,
    private readonly size: number,
    private heights: Heights,
    /** With nothing folded or opened. */
    private readonly allLines: number,
  ) {}

  get windows(): number {
    return Math.ceil(this.total / this.size);
  }

  setHeights(heights: Heights): void {
    this.heights = heights;
    this.tops = null;
  }

  /** Tells what a window turned out to hold. Whether that changes anything. */
  set(window: number, counts: Counts): boolean {
    const before = this.known.get(window);
    if (before?.heads === counts.heads && before.changes === counts.changes && before.plain === counts.plain)
      return false;
    this.known.set(window, counts);
    this.tops = null;
    return true;
  }

  top(window: number): number {
    return this.placed()[window] ?? 0;
  }

  get height(): number {
    return this.top(this.windows);
  }

  /** How many lines stand before the window; with `windows` all of them. */
  lines(window: number): number {
    this.placed();
    return Math.round(this.linesBefore[window] ?? 0);
  }

  /** The window in which a pixel lies. */
  at(y: number): number {
    const tops = this.placed();
    let low = 0;
    let high = Math.max(0, this.windows - 1);
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if ((tops[middle] ?? 0) <= y) low = middle;
      else high = middle - 1;
    }
    return low;
  }

  /** Where the row of this number is about to stand. */
  topOfRow(n: number): number {
    const window = Math.floor(n / this.size);
    const share = (n % this.size) / Math.max(1, this.rowsOf(window));
    return this.top(window) + share * (this.top(window + 1) - this.top(window));
  }

  private rowsOf(window: number): number {
    return Math.min(this.size, this.total - window * this.size);
  }

  private placed(): number[] {
    if (this.tops) return this.tops;
    const share = this.headsPerRow();
    const tops = [0];
    this.linesBefore = [0];
    for (let window = 0; window < this.windows; window += 1) {
      const rows = this.rowsOf(window);
      const { heads, changes } = this.known.get(window) ?? { heads: rows * share, changes: rows };
      tops.push((tops[window] ?? 0) + heads * this.heights.head + changes * this.heights.change);
      this.linesBefore.push((this.linesBefore[window] ?? 0) + heads + changes);
    }
    this.tops = tops;
    return tops;
  }

  /** Of windows that are not known: lines beside those of their rows. */
  private headsPerRow(): number {
    let lines = 0;
    let rows = 0;
    for (const [window, counts] of this.known) {
      lines += counts.plain;
      rows += this.rowsOf(window);
    }
    const left = this.total - rows;
    return left > 0 ? Math.max(0, this.allLines - lines - left) / left : 0;
  }
}
