/** The page's end of the worker. Each question has one answer; what nobody wants any more is dropped when it comes. */

import type { Head, Marks } from "./marks";
import type { Scan } from "./scan";
import type { Reply, Request } from "./worker";

type Question = Request extends infer R ? (R extends { ask: number } ? Omit<R, "ask"> : never) : never;

/** The stored text is no JSON, or the worker no longer has it. */
export class Unreadable extends Error {}

let worker: Worker | null = null;
let asked = 0;
const waiting = new Map<number, { resolve: (reply: Reply) => void; reject: (error: Error) => void }>();

function theWorker(): Worker {
  if (worker) return worker;
  const made = new Worker(new URL("./worker.ts", import.meta.url), { type: "module" });
  made.onmessage = ({ data }: MessageEvent<Reply>) => {
    const asker = waiting.get(data.ask);
    waiting.delete(data.ask);
    if ("broken" in data) asker?.reject(new Unreadable(data.broken));
    else asker?.resolve(data);
  };
  made.onerror = () => {
    for (const { reject } of waiting.values()) reject(new Unreadable("the document could not be read"));
    waiting.clear();
    made.terminate();
    worker = null;
  };
  worker = made;
  return made;
}

/** Starts the worker before there is something to read. */
export function prepare(): void {
  theWorker();
}

function put(question: Question, transfer: Transferable[] = []): Promise<Reply> {
  asked += 1;
  const ask = asked;
  return new Promise((resolve, reject) => {
    waiting.set(ask, { resolve, reject });
    theWorker().postMessage({ ask, ...question }, transfer);
  });
}

export async function read(id: string, bytes: ArrayBuffer): Promise<Scan> {
  return ((await put({ do: "read", id, bytes }, [bytes])) as { doc: Scan }).doc;
}

export async function mark(id: string, answers: ArrayBuffer[]): Promise<{ marks: Marks; head: Head }> {
  return (await put({ do: "mark", id, answers }, answers)) as { marks: Marks; head: Head };
}

export async function search(id: string, text: string): Promise<{ nodes: Int32Array; total: number }> {
  return (await put({ do: "find", id, text })) as { nodes: Int32Array; total: number };
}

export function drop(id: string): void {
  worker?.postMessage({ do: "drop", id } satisfies Request);
}
