// A long list of rows that only the server has whole: the windows around what is seen, and no more than `most` of them.

/** Rows of one window, and the row before its first: by it is known whether a group began earlier. */
export interface Loaded<Row> {
  rows: Row[];
  previous: Row | undefined;
}

export interface WindowsOptions<Row> {
  size: number;
  /** How many windows are kept; those used last. */
  most: number;
  load: (start: number, count: number, signal: AbortSignal) => Promise<Row[]>;
  /** Called when a window came, or failed. */
  changed: (window: number) => void;
}

export class Windows<Row> {
  readonly size: number;
  readonly failures = new Map<number, unknown>();
  private readonly kept = new Map<number, Loaded<Row>>();
  private readonly asked = new Map<number, AbortController>();

  constructor(private readonly options: WindowsOptions<Row>) {
    this.size = options.size;
  }

  /** The window, if it is here. */
  at(window: number): Loaded<Row> | undefined {
    const found = this.kept.get(window);
    if (found) {
      this.kept.delete(window);
      this.kept.set(window, found);
    }
    return found;
  }

  put(window: number, loaded: Loaded<Row>): void {
    this.kept.delete(window);
    this.kept.set(window, loaded);
    for (const oldest of this.kept.keys()) {
      if (this.kept.size <= this.options.most) break;
      this.kept.delete(oldest);
    }
  }

  /** Loads what is not here of the windows from `first` to `last`, and lets go of other requests on their way. */
  want(first: number, last: number): void {
    for (const [window, controller] of this.asked) {
      if (window < first || window > last) {
        this.asked.delete(window);
        controller.abort();
      }
    }
    for (let window = first; window <= last; window += 1) {
      if (!this.kept.has(window) && !this.asked.has(window) && !this.failures.has(window)) void this.fetch(window);
    }
  }

  /** Tries again what failed. */
  retry(): void {
    this.failures.clear();
  }

  close(): void {
    for (const controller of this.asked.values()) controller.abort();
    this.asked.clear();
  }

  private async fetch(window: number): Promise<void> {
    const controller = new AbortController();
    this.asked.set(window, controller);
    const before = window > 0 ? 1 : 0;
    try {
      const rows = await this.options.load(window * this.size - before, this.size + before, controller.signal);
      if (controller.signal.aborted) return;
      this.put(window, { rows: rows.slice(before), previous: before ? rows[0] : undefined });
    } catch (error) {
      if (controller.signal.aborted) return;
      this.failures.set(window, error);
    }
    this.asked.delete(window);
    this.options.changed(window);
  }
}
