/** A document with what changed in it, as the page has it in its hands. */

import { type Counts, type Marks, noMarks } from "./marks";
import type { Keys } from "./paths";
import { Places } from "./places";
import type { Scan } from "./scan";

export interface Opened {
  id: string;
  doc: Scan;
  places: Places;
  marks: Marks;
  keys: Keys;
  /** The field that names a record, by the pattern of its list. */
  labels: ReadonlyMap<string, string>;
  /** Of the delta that leads here; null of the first version, and while it has not come. */
  totals: Counts | null;
  kind: string | null;
  similarity: number | null;
}

export function opened(id: string, doc: Scan): Opened {
  return {
    id,
    doc,
    places: new Places(doc),
    marks: noMarks(),
    keys: new Map(),
    labels: new Map(),
    totals: null,
    kind: null,
    similarity: null,
  };
}
