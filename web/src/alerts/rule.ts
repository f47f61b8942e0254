/** A rule of alerts while it is edited: what its kind needs, and what is sent to try and to save it. */

import type { Schemas } from "../api.ts";
import { plainQuery, type Query, questionText } from "./question.ts";

export type Rule = Schemas["AlertRule"];
export type Draft = Schemas["TriedRule"];
export type Kind = Rule["kind"];
export type Trial = Schemas["TrialAnswer"];

/** Parts that a kind has beside those of all. */
export type Part = "endpoint" | "path" | "op" | "value" | "expression" | "for" | "of" | "query" | "in_a_row" | "clear";

interface KindOfRule {
  /** What raises, behind "when". */
  name: string;
  parts: readonly Part[];
  /** What it may have too. */
  may?: readonly Part[];
  /** What stands behind the value: a unit. */
  unit?: string;
}

export const KINDS: Readonly<Record<Kind, KindOfRule>> = {
  threshold: { name: "a field crosses a limit", parts: ["endpoint", "path", "op", "value", "in_a_row", "clear"] },
  change: { name: "a field changes by more than", parts: ["endpoint", "path", "value"], unit: "%" },
  high: { name: "a field is higher than ever", parts: ["endpoint", "path"] },
  low: { name: "a field is lower than ever", parts: ["endpoint", "path"] },
  appears: { name: "something appears", parts: ["endpoint", "path", "in_a_row", "clear"] },
  disappears: { name: "something disappears", parts: ["endpoint", "path", "in_a_row", "clear"] },
  matches: { name: "a value meets a condition", parts: ["endpoint", "path", "expression", "in_a_row", "clear"] },
  places: { name: "a document changes in more than", parts: ["endpoint", "value"], unit: "places" },
  similarity: { name: "a document is less like the one before than", parts: ["endpoint", "value"], unit: "of 1" },
  silence: { name: "nothing comes for", parts: ["endpoint", "for", "of"] },
  metric: { name: "a number of events crosses a limit", parts: ["query", "op", "value", "in_a_row", "clear"] },
  usual: {
    name: "a number of events is unusual for the hour",
    parts: ["query", "value", "in_a_row", "clear"],
    unit: "deviations",
  },
  anomaly: { name: "something is unusual", parts: [], may: ["endpoint", "path", "value"] },
};

export const OPS = { gt: "over", gte: "at least", lt: "under", lte: "at most" } as const;

const ALL = [
  "kind",
  "endpoint",
  "path",
  "op",
  "value",
  "expression",
  "for",
  "of",
  "query",
  "in_a_row",
  "clear",
  "quiet",
  "digest",
  "tell",
] as const;

/** What a saved rule says, as it is edited. */
export function draftOf(rule: Rule): Draft {
  return normal(Object.fromEntries(ALL.map((name) => [name, rule[name]])) as unknown as Draft);
}

/** Without what says nothing, its members in one order: two that mean the same are the same text. */
export function normal(draft: Draft): Draft {
  const kept = ALL.flatMap((name) => {
    const value = draft[name];
    const isNothing = value === null || value === undefined || (name === "in_a_row" && value === 1);
    if (draft.kind === "anomaly" && (value === "" || (name === "path" && !draft.endpoint))) return [];
    if (isNothing || (Array.isArray(value) && value.length === 0)) return [];
    return [[name, name === "query" ? plainQuery(value as Query, draft.kind) : value]];
  });
  return { ...Object.fromEntries(kept), ...(draft.name ? { name: draft.name } : {}) } as Draft;
}

const DEFAULTS: Partial<Record<Part, unknown>> = {
  path: "",
  op: "gt",
  value: 0,
  expression: "",
  for: "1h",
  query: { metrics: ["count"], range: "1h" },
};
const USUAL_VALUES: Partial<Record<Kind, number>> = { change: 10, places: 10, similarity: 0.9, usual: 3 };

/** Another kind keeps what it needs too, and begins with the rest; what is usual is so at the hours of `zone`. */
export function withKind(draft: Draft, kind: Kind, zone: string): Draft {
  const { parts, may = [] } = KINDS[kind];
  const own: Partial<Draft> = Object.fromEntries(
    parts.flatMap((part) => {
      if (part === "value" && kind in USUAL_VALUES) return [[part, USUAL_VALUES[kind]]];
      const before = draft[part];
      return before !== undefined && before !== null
        ? [[part, before]]
        : part in DEFAULTS
          ? [[part, DEFAULTS[part]]]
          : [];
    }),
  );
  for (const part of may) if (part !== "value" && draft[part]) Object.assign(own, { [part]: draft[part] });
  const { name, quiet, digest, tell } = draft;
  if (kind === "metric" && own.query) own.query = { range: "1h", ...own.query };
  if (kind === "usual" && draft.kind !== "usual" && own.query) own.query = { ...own.query, timezone: zone };
  return normal({ name, quiet, digest, tell, ...own, kind } as Draft);
}

/** Another limit; what clears it moves along, as the server's own sweep has it. */
export function withValue(draft: Draft, value: number): Draft {
  const clear = draft.clear;
  if (clear?.value === null || clear?.value === undefined || typeof draft.value !== "number")
    return { ...draft, value };
  return { ...draft, value, clear: { ...clear, value: tidy(clear.value + value - draft.value) } };
}

/** Sums of decimals without their noise: 0.1 + 0.2 is 0.3. */
export function tidy(value: number): number {
  return Number(value.toPrecision(12));
}

/** From the address; null where it is none. */
export function readDraft(text: string | null): Draft | null {
  try {
    const found = JSON.parse(text ?? "null");
    return found !== null && typeof found === "object" && Object.hasOwn(KINDS, found.kind)
      ? normal(found as Draft)
      : null;
  } catch {
    return null;
  }
}

export function same(a: Draft, b: Draft): boolean {
  return JSON.stringify(normal(a)) === JSON.stringify(normal(b));
}

/** All parts, so that what was taken away goes. */
export function changeOf(draft: Draft, name: string): Schemas["RuleChange"] {
  const { endpoint: _, ...rest } = Object.fromEntries(ALL.map((part) => [part, draft[part] ?? null]));
  return { ...rest, name, in_a_row: draft.in_a_row ?? 1, tell: draft.tell ?? [] } as unknown as Schemas["RuleChange"];
}

/** What raises it, in words, as a list shows it: "over 137". */
export function limitText(draft: Draft): string {
  const { name, parts, unit } = KINDS[draft.kind];
  if (draft.kind === "threshold" || draft.kind === "metric") return `${OPS[draft.op ?? "gt"]} ${draft.value}`;
  if (draft.kind === "usual") return `more than ${draft.value} deviations off`;
  if (draft.kind === "anomaly")
    return typeof draft.value === "number" ? `unusual by ${draft.value} deviations or more` : "unusual";
  if (draft.kind === "silence") return `${name} ${draft.for}`;
  return parts.includes("value") ? `${name} ${draft.value} ${unit ?? ""}`.trim() : name;
}

/** What is judged, in words: a field, or what is counted of events. */
export function subjectText(draft: Draft): string {
  return draft.query ? questionText(draft.query) : (draft.path ?? "");
}

/** Whether it judges events, hour by hour or as its question says, and no versions. */
export function isOfEvents({ kind, endpoint }: Draft): boolean {
  return kind === "metric" || kind === "usual" || (kind === "anomaly" && !endpoint);
}

/** What is judged one after the other. */
export function stepsOf(draft: Draft): "hour" | "step" | "version" {
  if (draft.kind === "anomaly") return "hour";
  return isOfEvents(draft) ? "step" : "version";
}

/** Whether it has such a part, or may have it. */
export function hasPart(kind: Kind, part: Part): boolean {
  const { parts, may = [] } = KINDS[kind];
  return parts.includes(part) || may.includes(part);
}

/** Whether nothing is named yet that it could judge. */
export function lacksSubject({ kind, endpoint, path }: Draft): boolean {
  const { parts } = KINDS[kind];
  return (parts.includes("endpoint") && !endpoint) || (parts.includes("path") && !path && kind !== "matches");
}

/** Whether its limit is a height on the chart. */
export function hasLevel({ kind }: Pick<Draft, "kind">): boolean {
  return KINDS[kind].parts.includes("value") && kind !== "usual";
}

/** Whether lower is worse. */
export function lowers(draft: Draft): boolean {
  return draft.op === "lt" || draft.op === "lte" || draft.kind === "low" || draft.kind === "similarity";
}
