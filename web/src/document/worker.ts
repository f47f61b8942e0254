/** Off the page's own thread: reading documents, laying changes over them, and searching them. */

import { find } from "./find";
import { type Head, head, type Marks, marks } from "./marks";
import { Places } from "./places";
import { BrokenText, type Scan, scan } from "./scan";

export type Request =
  | { ask: number; do: "read"; id: string; bytes: ArrayBuffer }
  | { ask: number; do: "mark"; id: string; answers: ArrayBuffer[] }
  | { ask: number; do: "find"; id: string; text: string }
  | { do: "drop"; id: string };

export type Reply =
  | { ask: number; doc: Scan }
  | { ask: number; marks: Marks; head: Head }
  | { ask: number; nodes: Int32Array; total: number }
  | { ask: number; broken: string };

const documents = new Map<string, Places>();

function answer(request: Exclude<Request, { do: "drop" }>): Reply {
  const { ask } = request;
  if (request.do === "read") {
    const doc = scan(new Uint8Array(request.bytes));
    documents.set(request.id, new Places(doc));
    return { ask, doc };
  }
  const places = documents.get(request.id);
  if (!places) return { ask, broken: "the document is no longer in memory" };
  if (request.do === "find") return { ask, ...find(places.doc, request.text) };
  const windows = request.answers.map((bytes) => scan(new Uint8Array(bytes)));
  return { ask, marks: marks(places, windows), head: head(windows[0] as Scan) };
}

self.onmessage = ({ data }: MessageEvent<Request>) => {
  if (data.do === "drop") {
    documents.delete(data.id);
    return;
  }
  try {
    self.postMessage(answer(data));
  } catch (error) {
    if (!(error instanceof BrokenText)) throw error;
    self.postMessage({ ask: data.ask, broken: error.message } satisfies Reply);
  }
};
