/** One version of a record as a document: its tree, what it changed, and what is searched in it. */

import { signal } from "@preact/signals";
import { type Opened, opened } from "../document/opened.ts";
import { drop, mark, read, search, Unreadable } from "../document/reader.ts";
import { type Show, TreeModel } from "../document/treemodel.ts";
import { setQuery } from "../state/location.ts";

const SEARCH_MS = 60;
/** What is opened has an id of its own in the worker. */
let opens = 0;

export class RecordModel {
  readonly tree = new TreeModel();
  /** Why the content cannot be shown as a document. */
  readonly broken = signal<string | null>(null);
  /** The changes of what is shown have come, or there are none to come. */
  readonly isMarked = signal(false);
  private id: string | null = null;
  private timer: ReturnType<typeof setTimeout> | undefined;

  /** Shows a content; `rows` brings what it changed, null where there is nothing to compare it with. */
  async open(text: string, rows: (() => Promise<ArrayBuffer>) | null, left: AbortSignal): Promise<void> {
    opens += 1;
    const id = `record ${opens}`;
    this.broken.value = null;
    this.isMarked.value = false;
    try {
      const doc = await read(id, new TextEncoder().encode(text).buffer as ArrayBuffer);
      if (left.aborted) {
        drop(id);
        return;
      }
      this.forget();
      this.id = id;
      const plain = opened(id, doc);
      this.put(plain);
      if (rows) {
        const { marks, head } = await mark(id, [await rows()]);
        if (!left.aborted) this.put({ ...plain, ...head, marks });
      }
    } catch (error) {
      if (left.aborted) return;
      if (error instanceof Unreadable) this.broken.value = error.message;
      else if (this.id !== id) throw error; // the document is shown without its changes
    }
    if (!left.aborted) this.isMarked.value = true;
  }

  private put(next: Opened): void {
    this.tree.set(next);
    void this.searchAgain();
  }

  private forget(): void {
    if (this.id !== null) drop(this.id);
    this.id = null;
  }

  leave(): void {
    clearTimeout(this.timer);
    this.forget();
  }

  showAs(show: Show): void {
    setQuery({ show: show === "all" ? null : show });
  }

  find(text: string): void {
    this.tree.query.value = text;
    clearTimeout(this.timer);
    if (text === "") this.tree.hits.value = null;
    else this.timer = setTimeout(() => void this.searchAgain(true), SEARCH_MS);
  }

  private async searchAgain(goes = false): Promise<void> {
    const text = this.tree.query.peek();
    const id = this.id;
    if (id === null || text === "") return;
    const hits = await search(id, text).catch(() => null);
    if (!hits || this.tree.query.peek() !== text || this.id !== id) return;
    this.tree.hits.value = hits;
    if (goes && hits.nodes.length > 0) this.tree.hit(1);
  }
}
