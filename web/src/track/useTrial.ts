/** What the source answers now, and what the expression makes of that: asked for, and asked for again as it is edited. */

import { useEffect, useRef, useState } from "preact/hooks";
import { rawPost, type Schemas } from "../api.ts";
import { member } from "../document/nodes.ts";
import { drop, read } from "../document/reader.ts";
import type { Scan } from "../document/scan.ts";
import { Problem } from "../problem.ts";
import { asked, type Draft, judged, type Source } from "./draft.ts";
import { type Shape, shapeOf } from "./shape.ts";

export type Tried = Schemas["PollingPreview"];
export type Failed = Schemas["PollingPreviewFailed"];

export interface Answered {
  told: Tried;
  /** What was asked, and how. */
  source: Source;
  /** null where it is too large to be shown. */
  doc: Scan | null;
  shape: Shape;
  atMs: number;
}

export type Trial =
  | { state: "none" }
  | { state: "trying" }
  | { state: "failed"; failed: Failed; atMs: number }
  /** By the server itself: the settings are wrong, or there is no answer. */
  | { state: "refused"; error: unknown }
  | ({ state: "tried" } & Answered);

export interface Made {
  busy: boolean;
  told: Tried | null;
  doc: Scan | null;
  wrong: string | null;
}

const NOTHING: Made = { busy: false, told: null, doc: null, wrong: null };
/** Who types an expression is not asked for each letter. */
const STILL_MS = 350;

interface Place {
  project: string;
  endpoint: string | null;
}

export function useTrial({ project, endpoint }: Place, draft: Draft) {
  const [trial, setTrial] = useState<Trial>({ state: "none" });
  const [made, setMade] = useState<Made>(NOTHING);
  const control = useRef<AbortController | null>(null);
  const ask = async (source: Source): Promise<Trial> => {
    control.current?.abort();
    const own = new AbortController();
    control.current = own;
    setTrial({ state: "trying" });
    setMade(NOTHING);
    const next = await answer({ polling: asked(source), endpoint }, project, source, own.signal);
    if (!own.signal.aborted) setTrial(next);
    return next;
  };
  useEffect(() => () => control.current?.abort(), []);
  const { transform } = draft;
  const wanted = JSON.stringify([transform, draft.status, draft.contentType, draft.condition]);
  const tried = trial.state === "tried" ? trial : null;
  useEffect(() => {
    if (tried === null) return undefined;
    const isPlain = transform === null && !draft.status && !draft.contentType && !draft.condition;
    if (isPlain || transform === "") {
      setMade(isPlain ? { busy: false, told: tried.told, doc: tried.doc, wrong: null } : NOTHING);
      return undefined;
    }
    setMade((was) => ({ ...was, busy: true }));
    const own = new AbortController();
    const timer = setTimeout(async () => {
      const polling = judged({ ...draft, source: tried.source });
      const next = await answer({ polling, endpoint, reuse: true }, project, tried.source, own.signal, "result");
      if (!own.signal.aborted) setMade(madeOf(next));
    }, STILL_MS);
    return () => {
      clearTimeout(timer);
      own.abort();
    };
  }, [tried, wanted]);
  return { trial, made, ask };
}

function madeOf(next: Trial): Made {
  if (next.state === "tried") return { busy: false, told: next.told, doc: next.doc, wrong: null };
  const wrong =
    next.state === "failed" ? next.failed.detail : next.state === "refused" ? said(next.error) : "it was not tried";
  return { ...NOTHING, wrong };
}

export function said(error: unknown): string {
  return error instanceof Problem ? (error.fields[0]?.message ?? error.message) : String(error);
}

async function answer(
  body: Schemas["PollingTrial"],
  project: string,
  source: Source,
  signal: AbortSignal,
  shown: "source" | "result" = "source",
): Promise<Trial> {
  try {
    const reply = await rawPost("/v1/endpoints/preview", { in: project, body, signal });
    const bytes = await reply.arrayBuffer();
    const told = JSON.parse(new TextDecoder().decode(bytes)) as Tried | Failed;
    const atMs = Date.now();
    if (!told.ok) return { state: "failed", failed: told as Failed, atMs };
    const doc = await partOf(bytes, shown);
    return { state: "tried", told: told as Tried, source, doc, shape: doc ? shapeOf(doc) : { kind: "value" }, atMs };
  } catch (error) {
    return { state: "refused", error };
  }
}

/** A member of the answer as a document of its own: its numbers stay as they were written. */
async function partOf(bytes: ArrayBuffer, name: "source" | "result"): Promise<Scan | null> {
  const whole = await read("trial", bytes);
  drop("trial");
  const node = member(whole, 0, name);
  const part = whole.bytes.slice(whole.start[node], whole.end[node]);
  return part.length === 4 && String.fromCharCode(...part) === "null" && tooLarge(whole, name)
    ? null
    : read(`trial ${name}`, part.buffer);
}

/** Whether null stands for what is too large, not for the document null. */
function tooLarge(whole: Scan, name: "source" | "result"): boolean {
  const node = member(whole, 0, `${name}_bytes`);
  return new TextDecoder().decode(whole.bytes.subarray(whole.start[node], whole.end[node])) !== "4";
}
