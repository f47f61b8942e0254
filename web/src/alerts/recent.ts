/** The numbers that a rule judged last, as a small line, and which rules a list shows. */

import { hasLevel, KINDS, type Kind, type Rule } from "./rule.ts";

export const WIDE = 56;
export const HIGH = 16;
const EDGE = 2;

export interface RecentLine {
  path: string;
  /** The height of the limit; null where it has none, or it is far from all that was. */
  limit: number | null;
  /** Where the newest is; null where nothing was there. */
  last: { x: number; y: number } | null;
  words: string;
}

/** Null where too little is known for a line. */
export function recentLine(rule: Rule): RecentLine | null {
  const numbers = rule.recent.filter((value) => value !== null);
  if (rule.recent.length < 2 || numbers.length === 0) return null;
  const [least, most] = [Math.min(...numbers), Math.max(...numbers)];
  const range = most - least;
  const limit = hasLevel(rule) && typeof rule.value === "number" ? rule.value : null;
  const isNear = limit !== null && limit >= least - range && limit <= most + range;
  const low = isNear ? Math.min(least, limit) : least;
  const high = isNear ? Math.max(most, limit) : most;
  const y = (value: number) =>
    high === low ? HIGH / 2 : round(HIGH - EDGE - ((value - low) / (high - low)) * (HIGH - 2 * EDGE));
  const step = (WIDE - 2 * EDGE) / (rule.recent.length - 1);
  const x = (at: number) => round(EDGE + at * step);
  let path = "";
  for (const [at, value] of rule.recent.entries()) {
    if (value === null) continue;
    const before = rule.recent[at - 1];
    path += before === null || before === undefined ? `M${x(at)} ${y(value)}` : `L${x(at)} ${y(value)}`;
  }
  const last = rule.recent.at(-1) ?? null;
  const now = last === null ? "nothing now" : `now ${text(last)}`;
  return {
    path,
    limit: isNear ? y(limit) : null,
    last: last === null ? null : { x: x(rule.recent.length - 1), y: y(last) },
    words: `The last ${rule.recent.length}: ${text(least)} to ${text(most)}, ${now}`,
  };
}

export const STATES = { raised: "raised", quiet: "quiet", muted: "muted" } as const;

/** What a list shows, by what its address asks for. */
export interface RuleFilter {
  state: string | null;
  endpoint: string | null;
  kind: string | null;
}

export function filterOf(asked: URLSearchParams): RuleFilter {
  return { state: asked.get("state"), endpoint: asked.get("endpoint"), kind: asked.get("kind") };
}

/** As an endpoint, for the rules that have none. */
export const EVENTS = "events";

export function filtered(rules: readonly Rule[], { state, endpoint, kind }: RuleFilter): Rule[] {
  return rules.filter(
    (rule) =>
      (state === null || rule.state === state) &&
      (endpoint === null || endpointOf(rule) === endpoint) &&
      (kind === null || rule.kind === kind),
  );
}

/** The endpoints that rules are about, and their kinds: what can be chosen. */
export function choicesOf(rules: readonly Rule[]): { endpoints: string[]; kinds: Record<string, string> } {
  const endpoints = [...new Set(rules.map(endpointOf))].sort();
  const kinds = (Object.keys(KINDS) as Kind[]).filter((kind) => rules.some((rule) => rule.kind === kind));
  return { endpoints, kinds: Object.fromEntries(kinds.map((kind) => [kind, KINDS[kind].name])) };
}

function endpointOf(rule: Rule): string {
  return rule.endpoint ?? (rule.endpoint_id === null ? EVENTS : rule.endpoint_id);
}

function text(value: number): string {
  return String(Number(value.toPrecision(6)));
}

function round(value: number): number {
  return Math.round(value * 10) / 10;
}
