/** Stepping from change to change, and playing them. */

import { signal } from "@preact/signals";

import { type Bar, firstFrom } from "../time/bars";
import type { Moment } from "../time/moments";
import type { DocumentView } from "./view";

const PER_SECOND = 4;
const SPEEDS = [1, 2, 5];

/** Kinds of versions at which a step stops; what a version changed may not be computed yet. */
const CHANGES = new Set(["content", "pending", "first"]);

export class Player {
  readonly playing = signal(false);
  readonly speed = signal(1);
  private timer: ReturnType<typeof setTimeout> | undefined;

  constructor(
    private readonly view: DocumentView,
    private readonly go: (moment: Moment, dragging?: boolean) => Promise<void>,
    private readonly onStop: () => void,
  ) {}

  /** `count` changes on or back; `any`: versions of any kind. False where there is none. */
  step(count: number, any = false): boolean {
    const next = this.target(count, any);
    if (next) void this.go(next);
    return next !== null;
  }

  end(side: 1 | -1): void {
    void this.go(side > 0 ? { kind: "latest" } : { kind: "version", number: 1 });
  }

  play(): void {
    if (this.playing.peek()) return;
    this.playing.value = true;
    void this.tick();
  }

  stop(): void {
    if (!this.playing.peek()) return;
    clearTimeout(this.timer);
    this.playing.value = false;
    this.onStop();
  }

  /** How many changes a second it plays from now on. */
  faster(): number {
    this.speed.value = SPEEDS[(SPEEDS.indexOf(this.speed.peek()) + 1) % SPEEDS.length] as number;
    return PER_SECOND * this.speed.peek();
  }

  private async tick(): Promise<void> {
    const began = performance.now();
    const next = this.target(1, false);
    if (!next) {
      this.stop();
      return;
    }
    await this.go(next, true);
    if (!this.playing.peek()) return;
    const rest = 1000 / (PER_SECOND * this.speed.peek()) - (performance.now() - began);
    this.timer = setTimeout(() => void this.tick(), Math.max(0, rest));
  }

  private target(count: number, any: boolean): Moment | null {
    const line = this.view.line.peek();
    const version = this.view.version.peek();
    if (!version) return null;
    if (line && line.bucketMs === null) {
      const bar = stepped(line.bars, version.ms, count, any);
      return bar && bar.id !== version.id ? { kind: "time", ms: bar.ms } : null;
    }
    const place = this.view.place.peek();
    const on = any ? place?.next : place?.nextChange?.id;
    const back = any ? place?.previous : place?.previousChange?.id;
    const id = count > 0 ? on : back;
    return id ? { kind: "snapshot", id } : null;
  }
}

/** The bar so many changes away; the last or first there is where there are fewer. */
export function stepped(bars: readonly Bar[], ms: number, count: number, any: boolean): Bar | null {
  const counts = (bar: Bar): boolean => any || CHANGES.has(bar.kind);
  const at = count > 0 ? firstFrom(bars, ms + 1) : firstFrom(bars, ms) - 1;
  const step = Math.sign(count);
  let left = Math.abs(count);
  let found: Bar | null = null;
  for (let i = at; i >= 0 && i < bars.length && left > 0; i += step) {
    const bar = bars[i] as Bar;
    if (!counts(bar)) continue;
    found = bar;
    left -= 1;
  }
  return found;
}
