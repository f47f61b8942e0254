/** Polls as the page shows them: in words, alike ones folded, and as bars over time. */

import type { Schemas } from "../api.ts";
import { roughly } from "../time/clock.ts";

export type Poll = Schemas["Poll"];
export type Summary = Schemas["PollsSummary"];
export type PollClass = NonNullable<Poll["class"]>;

export const CLASSES: Record<PollClass, string> = {
  egress: "not allowed to connect",
  dns: "name not found",
  connect: "no connection",
  tls: "TLS failed",
  timeout: "no answer in time",
  status: "a wrong status",
  decode: "cannot be read",
  expect: "not as expected",
  too_large: "too large",
  transform: "the expression",
  auth: "no access token",
  quota: "the plan",
  storage: "not stored",
};

/** What came of it, and the shape that stands for it. */
export function outcome({ class: failure, changed, status }: Poll): { shape: string; text: string } {
  if (failure !== null) return { shape: "failed", text: CLASSES[failure] };
  if (changed) return { shape: "ok", text: "changed" };
  return { shape: "", text: status === 304 ? "unchanged, said the source" : "unchanged" };
}

/** By how much a clock was set, in words: "back by 2 h". */
export function setBy(ms: number): string {
  return `${ms < 0 ? "back" : "forward"} by ${roughly(Math.abs(ms))}`;
}

export type Line = { fold: false; poll: Poll } | { fold: true; polls: readonly Poll[] };

const FEWEST_FOLDED = 4;

/** What polls in a row have to have in common to be one line; null of those that stand for themselves. */
function kindOf(poll: Poll): string | null {
  if (poll.clock_set_ms !== null) return null;
  return poll.class ?? (poll.changed ? null : "unchanged");
}

/** Polls in a row that found nothing new, or failed alike, are one line, unless they are few or `open`: that of their newest. */
export function folded(polls: readonly Poll[], open: ReadonlySet<string>): Line[] {
  const lines: Line[] = [];
  let run: Poll[] = [];
  const end = () => {
    const first = run[0];
    if (first && kindOf(first) !== null && run.length >= FEWEST_FOLDED && !open.has(first.id)) {
      lines.push({ fold: true, polls: run });
    } else lines.push(...run.map((poll) => ({ fold: false as const, poll })));
    run = [];
  };
  for (const poll of polls) {
    if (run[0] && kindOf(run[0]) !== kindOf(poll)) end();
    run.push(poll);
  }
  end();
  return lines;
}

export interface Bar {
  ms: number;
  x: number;
  /** Of the half that it stands in, from 0 to 1: how long it took, as a failure below the line. */
  height: number;
  failed: boolean;
  changed: boolean;
}

/** By time, from 0 to 1 across; heights to what 98 of 100 polls took at most. */
export function barsOf(data: Summary["data"], fromMs: number, toMs: number): Bar[] {
  const took = data.map(({ ms }) => ms).toSorted((a, b) => a - b);
  const top = Math.max(1, took[Math.floor((took.length - 1) * 0.98)] ?? 1);
  return data.map(({ time, ms, failed, changed }) => {
    const at = Date.parse(time);
    return {
      ms: at,
      x: (at - fromMs) / Math.max(1, toMs - fromMs),
      height: Math.max(0.06, Math.min(1, ms / top)),
      failed: failed > 0,
      changed: changed > 0,
    };
  });
}

/** The share of polls that found something; null of none. */
export function answered(data: Summary["data"]): number | null {
  const [ok, failed] = data.reduce(([a, b], each) => [a + each.ok, b + each.failed], [0, 0]);
  return ok + failed === 0 ? null : ok / (ok + failed);
}
