/** The rules of comparison as a form: texts that people type, made of the settings and turned into them again. */

import type { Schemas } from "../api.ts";

export type Rules = Schemas["DiffShown"];

export interface Pair {
  path: string;
  value: string;
}

export interface Draft {
  /** A pattern a line. */
  ignore: string;
  keys: readonly Pair[];
  labels: readonly Pair[];
  /** For all numbers; empty is 0. */
  tolerance: string;
  tolerances: readonly Pair[];
  /** Paths of arrays whose order means nothing, one a line. */
  sets: string;
  /** Those that are said to have one, though a wider pattern says otherwise. */
  strict: readonly string[];
}

export function draftOf(rules: Rules): Draft {
  const each = typeof rules.tolerance === "object" ? Object.entries(rules.tolerance) : [];
  return {
    ignore: rules.ignore.join("\n"),
    keys: Object.entries(rules.array_keys).map(([path, fields]) => ({ path, value: fields.join(", ") })),
    labels: Object.entries(rules.labels).map(([path, value]) => ({ path, value })),
    tolerance: typeof rules.tolerance === "number" && rules.tolerance !== 0 ? String(rules.tolerance) : "",
    tolerances: each.map(([path, value]) => ({ path, value: String(value) })),
    sets: inOrder(rules, "set").join("\n"),
    strict: inOrder(rules, "strict"),
  };
}

/** What the server is sent; it says what is wrong with it. Of a number that is none the text goes, so that it is named. */
export function rulesOf(draft: Draft): Rules {
  const tolerances = named(draft.tolerances);
  return {
    ignore: lines(draft.ignore),
    array_keys: Object.fromEntries(
      named(draft.keys).map(({ path, value }) => [
        path,
        value
          .split(",")
          .map((field) => field.trim())
          .filter(Boolean),
      ]),
    ),
    labels: Object.fromEntries(named(draft.labels).map(({ path, value }) => [path, value.trim()])),
    tolerance:
      tolerances.length > 0
        ? Object.fromEntries(tolerances.map(({ path, value }) => [path, number(value)]))
        : number(draft.tolerance || "0"),
    order: Object.fromEntries([
      ...draft.strict.map((path) => [path, "strict" as const]),
      ...lines(draft.sets).map((path) => [path, "set" as const]),
    ]),
  };
}

/** The draft with a key of an array, as a link proposes one; that of an array which has one stays where none is named. */
export function withKey(draft: Draft, path: string, fields: string): Draft {
  const known = draft.keys.some((key) => key.path === path);
  if (!known) return { ...draft, keys: [...draft.keys, { path, value: fields }] };
  return fields === ""
    ? draft
    : { ...draft, keys: draft.keys.map((key) => (key.path === path ? { path, value: fields } : key)) };
}

function inOrder(rules: Rules, wanted: "set" | "strict"): string[] {
  return Object.entries(rules.order).flatMap(([path, order]) => (order === wanted ? [path] : []));
}

/** Rows of which something was typed. */
function named(pairs: readonly Pair[]): Pair[] {
  return pairs
    .filter(({ path, value }) => path.trim() !== "" || value.trim() !== "")
    .map(({ path, value }) => ({ path: path.trim(), value }));
}

function lines(text: string): string[] {
  return [
    ...new Set(
      text
        .split("\n")
        .map((line) => line.trim())
        .filter(Boolean),
    ),
  ];
}

function number(text: string): number {
  const value = Number(text.trim().replace(",", "."));
  return Number.isFinite(value) && text.trim() !== "" ? value : (text as unknown as number);
}

/** The settings as JSON to edit. */
export function jsonOf(rules: Rules): string {
  return JSON.stringify(rules, null, 2);
}

/** The settings of edited JSON; an error in words where it is none. */
export function rulesOfJson(text: string): Rules | string {
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value !== "object" || value === null || Array.isArray(value)) return "the rules are an object: {...}";
    return { ignore: [], array_keys: {}, labels: {}, tolerance: 0, order: {}, ...value };
  } catch (error) {
    return String(error).replace(/^SyntaxError: /, "");
  }
}
