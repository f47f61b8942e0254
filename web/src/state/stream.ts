import { type Signal, signal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import { Problem, raw } from "../api.ts";
import { type Connection, nextTry, retry, stream } from "./connection.ts";
import { SseReader } from "./sse.ts";

/** One thing that the server told: `snapshot.created`, `delta.created`, `event`, `gap`. */
export interface Told {
  event: string;
  data: unknown;
}

export type Topic = "snapshots" | "deltas" | "endpoints" | "events" | "polls" | "quotas" | "webhooks" | "alerts";

/** Where a stream says how it stands. */
interface Dot {
  stream: Signal<Connection>;
  nextTry: Signal<number>;
  retry: Signal<(() => void) | null>;
}

const DOT: Dot = { stream, nextTry, retry };

const SOONEST_MS = 1000;
const LATEST_MS = 30_000;

/** Follows a project while the page is seen; `heard` is called for each thing that happens. One that goes along with
 * every page, `isAside`, is none that the dot in the bar tells of. What happens after `begun` is called is heard: what
 * is asked for then leaves no gap before it. After a break nothing begins: the stream goes on where it was. */
export function useStream(
  project: string,
  topics: readonly Topic[],
  heard: (told: Told) => void,
  { isAside = false, begun = () => undefined }: { isAside?: boolean; begun?: () => void } = {},
): void {
  const handler = useRef({ heard, begun });
  handler.current = { heard, begun };
  const wanted = topics.join(",");
  useEffect(() => {
    const dot = isAside ? { stream: signal<Connection>("off"), nextTry: signal(0), retry: signal(null) } : DOT;
    const open: Open = (headers, signal) =>
      raw("/v1/stream", { in: project, query: { topics: [wanted] }, headers, signal });
    return follow(open, dot, {
      heard: (told) => handler.current.heard(told),
      begun: () => handler.current.begun(),
    });
  }, [project, wanted, isAside]);
}

/** Follows what devices push to a space, which `space` names as headers do. */
export function useSyncStream(project: string, space: Record<string, string>, heard: (told: Told) => void): void {
  const handler = useRef(heard);
  handler.current = heard;
  useEffect(() => {
    const open: Open = (headers, signal) =>
      raw("/v1/sync/stream", { in: project, headers: { ...headers, ...space }, signal });
    return follow(open, DOT, { heard: (told) => handler.current(told), begun: () => undefined });
  }, [project, JSON.stringify(space)]);
}

/** Asks for a stream; the headers say where it is to go on. */
type Open = (headers: Record<string, string>, signal: AbortSignal) => Promise<Response>;

interface Ears {
  heard: (told: Told) => void;
  /** The server has said where the stream is; it does so at once. */
  begun: () => void;
}

/** Goes on where it was after each break, later each time, at once when the reader asks. Returns what ends it. */
function follow(open: Open, dot: Dot, ears: Ears): () => void {
  const ended = new AbortController();
  const reader = new SseReader();
  void keepOn(open, reader, dot, ears, ended.signal);
  return () => {
    ended.abort();
    dot.stream.value = "off";
    dot.retry.value = null;
  };
}

async function keepOn(open: Open, reader: SseReader, dot: Dot, ears: Ears, ended: AbortSignal): Promise<void> {
  for (let waitMs = SOONEST_MS; !ended.aborted; waitMs = Math.min(LATEST_MS, waitMs * 2)) {
    await seen(dot, ended);
    const hidden = whenHidden(ended);
    try {
      dot.stream.value = "connecting";
      const heard = (told: Told) => {
        waitMs = SOONEST_MS;
        ears.heard(told);
      };
      await read(open, reader, dot, hidden, { ...ears, heard });
    } catch (error) {
      if (!ended.aborted && isRefusal(error)) {
        dot.stream.value = "off";
        return;
      }
      // A break, whatever it was: the next try says whether it lasts.
    }
    if (ended.aborted) return;
    if (hidden.aborted) continue;
    await wait(dot, waitMs, ended);
  }
}

/** The project is not there, or not the reader's: it is not asked for over and over. */
function isRefusal(error: unknown): boolean {
  return error instanceof Problem && (error.status === 403 || error.status === 404);
}

async function read(
  open: Open,
  reader: SseReader,
  dot: Dot,
  signal: AbortSignal,
  { heard, begun }: Ears,
): Promise<void> {
  const headers: Record<string, string> = { accept: "text/event-stream" };
  let isFirst = !reader.lastId;
  if (!isFirst) headers["last-event-id"] = reader.lastId;
  const answer = await open(headers, signal);
  const bytes = answer.body?.pipeThrough(new TextDecoderStream()).getReader();
  dot.stream.value = "live";
  dot.nextTry.value = 0;
  for (let part = await bytes?.read(); part && !part.done; part = await bytes?.read()) {
    if (isFirst) begun();
    isFirst = false;
    for (const sent of reader.push(part.value)) heard({ event: sent.event, data: JSON.parse(sent.data) });
  }
}

/** Aborts with `ended`, and when the page is no longer seen: a hidden page needs no news. */
function whenHidden(ended: AbortSignal): AbortSignal {
  const control = new AbortController();
  const look = () => {
    if (document.visibilityState === "hidden") control.abort();
  };
  document.addEventListener("visibilitychange", look, { signal: AbortSignal.any([ended, control.signal]) });
  return AbortSignal.any([ended, control.signal]);
}

function seen(dot: Dot, ended: AbortSignal): Promise<void> {
  if (document.visibilityState === "visible") return Promise.resolve();
  dot.stream.value = "off";
  return new Promise((resolve) => {
    const look = () => document.visibilityState === "visible" && done();
    const done = () => {
      document.removeEventListener("visibilitychange", look);
      resolve();
    };
    document.addEventListener("visibilitychange", look);
    ended.addEventListener("abort", done, { once: true });
  });
}

function wait(dot: Dot, ms: number, ended: AbortSignal): Promise<void> {
  dot.stream.value = "waiting";
  dot.nextTry.value = Date.now() + ms;
  return new Promise((resolve) => {
    const timer = setTimeout(done, ms);
    dot.retry.value = done;
    ended.addEventListener("abort", done, { once: true });
    function done(): void {
      clearTimeout(timer);
      dot.retry.value = null;
      resolve();
    }
  });
}
