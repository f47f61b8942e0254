import { useEffect, useRef } from "preact/hooks";
import { Problem, raw } from "../api.ts";
import { nextTry, retry, stream } from "./connection.ts";
import { SseReader } from "./sse.ts";

/** One thing that the server told: `snapshot.created`, `delta.created`, `event`, `gap`. */
export interface Told {
  event: string;
  data: unknown;
}

export type Topic = "snapshots" | "deltas" | "endpoints" | "events";

const SOONEST_MS = 1000;
const LATEST_MS = 30_000;

/** Follows a project while the page is seen; `heard` is called for each thing that happens. */
export function useStream(project: string, topics: readonly Topic[], heard: (told: Told) => void): void {
  const handler = useRef(heard);
  handler.current = heard;
  const wanted = topics.join(",");
  useEffect(() => follow(project, wanted, (told) => handler.current(told)), [project, wanted]);
}

/** Goes on where it was after each break, later each time, at once when the reader asks. Returns what ends it. */
function follow(project: string, topics: string, heard: (told: Told) => void): () => void {
  const ended = new AbortController();
  const reader = new SseReader();
  void keepOn(project, topics, reader, heard, ended.signal);
  return () => {
    ended.abort();
    stream.value = "off";
    retry.value = null;
  };
}

async function keepOn(
  project: string,
  topics: string,
  reader: SseReader,
  heard: (told: Told) => void,
  ended: AbortSignal,
): Promise<void> {
  for (let waitMs = SOONEST_MS; !ended.aborted; waitMs = Math.min(LATEST_MS, waitMs * 2)) {
    await seen(ended);
    const hidden = whenHidden(ended);
    try {
      stream.value = "connecting";
      await read(project, topics, reader, hidden, (told) => {
        waitMs = SOONEST_MS;
        heard(told);
      });
    } catch (error) {
      if (!ended.aborted && isRefusal(error)) {
        stream.value = "off";
        return;
      }
      // A break, whatever it was: the next try says whether it lasts.
    }
    if (ended.aborted) return;
    if (hidden.aborted) continue;
    await wait(waitMs, ended);
  }
}

/** The project is not there, or not the reader's: it is not asked for over and over. */
function isRefusal(error: unknown): boolean {
  return error instanceof Problem && (error.status === 403 || error.status === 404);
}

async function read(
  project: string,
  topics: string,
  reader: SseReader,
  signal: AbortSignal,
  heard: (told: Told) => void,
): Promise<void> {
  const headers: Record<string, string> = { accept: "text/event-stream" };
  if (reader.lastId) headers["last-event-id"] = reader.lastId;
  const answer = await raw("/v1/stream", { in: project, query: { topics: [topics] }, headers, signal });
  const bytes = answer.body?.pipeThrough(new TextDecoderStream()).getReader();
  stream.value = "live";
  nextTry.value = 0;
  for (let part = await bytes?.read(); part && !part.done; part = await bytes?.read()) {
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

function seen(ended: AbortSignal): Promise<void> {
  if (document.visibilityState === "visible") return Promise.resolve();
  stream.value = "off";
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

function wait(ms: number, ended: AbortSignal): Promise<void> {
  stream.value = "waiting";
  nextTry.value = Date.now() + ms;
  return new Promise((resolve) => {
    const timer = setTimeout(done, ms);
    retry.value = done;
    ended.addEventListener("abort", done, { once: true });
    function done(): void {
      clearTimeout(timer);
      retry.value = null;
      resolve();
    }
  });
}
