/** The history of the value whose panel is open. */

import { signal } from "@preact/signals";

import type { ValueHistory } from "./history";
import { historyOf, type Source } from "./requests";

export class HistoryState {
  readonly shown = signal<ValueHistory | null>(null);
  readonly error = signal<unknown>(null);
  private leaving = new AbortController();

  constructor(
    private readonly source: Source,
    private readonly whole: () => { fromMs: number; toMs: number },
  ) {}

  async open(path: string): Promise<void> {
    if (this.shown.peek()?.path === path) return;
    this.close();
    const { signal: left } = this.leaving;
    this.shown.value = { path, values: [], changes: 0, share: null, ...this.whole(), loading: true };
    try {
      const found = await historyOf(this.source, path, left);
      if (left.aborted) return;
      const changes = Math.max(0, (found.total ?? found.values.length) - 1); // the first is where it begins
      this.shown.value = { path, values: found.values, changes, share: found.share, ...this.whole(), loading: false };
    } catch (error) {
      if (!left.aborted) this.error.value = error;
    }
  }

  close(): void {
    this.leaving.abort();
    this.leaving = new AbortController();
    this.shown.value = null;
    this.error.value = null;
  }
}
