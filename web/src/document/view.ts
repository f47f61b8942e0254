/** The document page's state: which moment is looked at, and what of it has come. The address says which. */

import { computed, signal } from "@preact/signals";

import type { Span } from "../time/bars";
import type { Moment } from "../time/moments";
import { neighbours } from "./ahead";
import { Kept } from "./kept";
import { LabelFields } from "./labels";
import { type Opened, opened } from "./opened";
import { drop, mark, read, Unreadable } from "./reader";
import type { Line, Source, Version } from "./requests";
import * as ask from "./requests";
import type { Scan } from "./scan";
import { TreeModel } from "./treemodel";
import { findVersion, type Place, placeOf } from "./versions";

export type State =
  | { kind: "loading" }
  | { kind: "shown" }
  | { kind: "empty" }
  | { kind: "before"; first: Version }
  | { kind: "gone"; id: string }
  | { kind: "large" }
  | { kind: "broken"; why: string }
  | { kind: "failed"; error: unknown };

/** Documents and their arrays are kept up to so much. */
const MOST_BYTES = 32 << 20;
/** Larger ones come by pieces. */
const LARGE = 8 << 20;
/** So long a document waits for its changes, so that it is drawn once. */
const PATIENCE_MS = 150;
const NODE_BYTES = 27;
/** So much, with its arrays, is read within a few milliseconds. */
const QUICK_BYTES = 2 << 20;

export class DocumentView {
  readonly tree = new TreeModel();
  readonly line = signal<Line | null>(null);
  /** Of a stretch that is zoomed into, where the whole line is too coarse for it. */
  readonly detail = signal<Line | null>(null);
  readonly state = signal<State>({ kind: "loading" });
  readonly version = signal<Version | null>(null);
  readonly place = signal<Place | null>(null);
  /** What part of the timeline is seen; null all of it. */
  readonly zoom = signal<Span | null>(null);
  readonly isPinned = signal(false);
  /** The changes of what is shown have come, or there are none. */
  readonly isMarked = signal(false);
  readonly newer = computed(() =>
    this.isPinned.value && this.place.value ? this.place.value.of - this.place.value.number : 0,
  );
  private readonly labels = new LabelFields();
  private readonly leaving = new AbortController();
  private lined: Promise<unknown> = Promise.resolve();
  private turn = 0;
  private moment: Moment = { kind: "latest" };
  private large = false;
  private way: -1 | 0 | 1 = 0;

  private readonly documents = new Kept<Scan>(
    MOST_BYTES,
    async (id) => {
      const doc = await read(id, await ask.documentBytes(this.source, id));
      return { value: doc, bytes: sizeOf(doc) };
    },
    drop,
  );
  private readonly changes = new Kept<ArrayBuffer[] | null>(MOST_BYTES / 4, async (id) => {
    await this.lined; // it says which versions have no delta
    const bytes = this.isUnchanged(id) ? null : await ask.deltaRows(this.source, id);
    return { value: bytes, bytes: bytes?.reduce((sum, each) => sum + each.byteLength, 0) ?? 1 };
  });

  constructor(readonly source: Source) {}

  get signal(): AbortSignal {
    return this.leaving.signal;
  }

  leave(): void {
    this.leaving.abort();
    this.documents.clear();
  }

  /** Goes to a moment; what comes late of another is dropped. */
  async show(moment: Moment): Promise<void> {
    this.turn += 1;
    this.moment = moment;
    const { turn, signal: left } = this;
    const isLate = (): boolean => turn !== this.turn || left.aborted;
    this.isPinned.value = moment.kind !== "latest";
    try {
      const found = await findVersion(this.source, this.line.peek(), moment, left);
      if (isLate()) return;
      if (found.is !== "found") {
        this.state.value =
          found.is === "before"
            ? { kind: "before", first: found.first }
            : found.is === "gone"
              ? { kind: "gone", id: found.id }
              : { kind: "empty" };
        return;
      }
      this.way = wayTo(this.version.peek(), found.version);
      this.version.value = found.version;
      this.documents.held = found.version.id;
      void this.findPlace(found.version, isLate);
      await this.open(found.version, isLate);
      if (!isLate()) void this.fetchAhead(found.version, isLate);
    } catch (error) {
      if (!isLate()) this.state.value = { kind: "failed", error };
    }
  }

  again(): Promise<void> {
    return this.show(this.moment);
  }

  /** New settings compare otherwise. */
  forgetChanges(): void {
    this.changes.clear();
  }

  async loadLine(): Promise<void> {
    const asked = ask.timeline(this.source, this.signal);
    this.lined = asked.catch(() => undefined);
    this.line.value = await asked;
    const version = this.version.peek();
    if (version) await this.findPlace(version, () => this.version.peek()?.id !== version.id);
    await this.loadDetail();
  }

  /** What is zoomed into is seen by finer stretches, or version by version. */
  async loadDetail(): Promise<void> {
    const [line, zoom] = [this.line.peek(), this.zoom.peek()];
    if (!zoom || !line || line.bucketMs === null) {
      this.detail.value = null;
      return;
    }
    const detail = await ask.timeline(this.source, this.signal, zoom).catch(() => null);
    if (this.zoom.peek() === zoom) this.detail.value = detail;
  }

  /** What this version changed has been computed, maybe after somebody asked for it. */
  async changed(id: string): Promise<void> {
    this.changes.forget(id);
    if (this.version.peek()?.id === id) await this.again();
  }

  private async findPlace(version: Version, isLate: () => boolean): Promise<void> {
    const place = await placeOf(this.source, this.line.peek(), version, this.signal).catch(() => null);
    if (!isLate()) this.place.value = place;
  }

  private async open(version: Version, isLate: () => boolean): Promise<void> {
    const sized =
      version.bytes === null && this.large ? await ask.versionById(this.source, version.id, this.signal) : version;
    if (isLate()) return;
    if (sized?.bytes && sized.bytes > LARGE) {
      this.large = true;
      this.tree.set(null);
      this.state.value = { kind: "large" };
      return;
    }
    const marked = this.marked(version.id);
    marked.catch(() => undefined); // told below, or not at all where the document itself cannot be read
    try {
      const doc = await this.documents.get(version.id);
      const first = await Promise.race([marked, later(PATIENCE_MS)]);
      if (isLate()) return;
      if (!first) this.put(opened(version.id, doc), false);
      const whole = first ?? (await marked);
      if (!isLate()) this.put(whole, true);
    } catch (error) {
      if (isLate()) return;
      if (!(error instanceof Unreadable)) throw error;
      this.state.value = { kind: "broken", why: error.message };
    }
  }

  private put(next: Opened, isMarked: boolean): void {
    this.tree.set(next);
    this.isMarked.value = isMarked;
    this.state.value = { kind: "shown" };
  }

  /** A document with what changed in it. */
  private async marked(id: string): Promise<Opened> {
    const [doc, rows] = await Promise.all([this.documents.get(id), this.changes.get(id)]);
    const made = opened(id, doc);
    if (rows === null) return { ...made, labels: this.labels.known };
    const { marks, head } = await mark(
      id,
      rows.map((each) => each.slice(0)),
    );
    this.labels.learn(doc, marks);
    return { ...made, ...head, marks, labels: this.labels.known };
  }

  /** The first version, and those equal to the one before, have no delta. */
  private isUnchanged(id: string): boolean {
    const line = this.line.peek();
    if (line?.bucketMs !== null) return false;
    const at = line.bars.findIndex((bar) => bar.id === id);
    return at === 0 || line.bars[at]?.kind === "unchanged";
  }

  /**
   * Fetches the neighbours that have room beside what is shown. Large ones one after the other, so that a search waits in
   * the worker for one of them at most.
   */
  private async fetchAhead({ id }: Version, isLate: () => boolean): Promise<void> {
    const shown = this.tree.opened.peek();
    if (this.large || shown?.id !== id) return;
    const bytes = sizeOf(shown.doc);
    const room = Math.floor(MOST_BYTES / bytes) - 1;
    for (const next of neighbours(this.line.peek(), this.place.peek(), id, this.way).slice(0, room)) {
      const fetched = Promise.all([this.documents.get(next), this.changes.get(next)]).catch(() => undefined);
      if (bytes > QUICK_BYTES) await fetched;
      if (isLate()) return;
    }
  }
}

function wayTo(before: Version | null, next: Version): -1 | 0 | 1 {
  return before ? (Math.sign(next.ms - before.ms) as -1 | 0 | 1) : 0;
}

function sizeOf(doc: Scan): number {
  return doc.bytes.length + doc.count * NODE_BYTES;
}

function later(ms: number): Promise<null> {
  return new Promise((resolve) => setTimeout(() => resolve(null), ms));
}
