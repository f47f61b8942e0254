import type { Schemas } from "../api.ts";

export type Conflict = Schemas["SyncConflict"];
export type Field = Schemas["MergeField"];
export type Side = "server" | "device";

/** What of each open place is taken, by its path. */
export type Picks = Readonly<Record<string, Side>>;

/** The proposal with the chosen values in the places where somebody must choose. */
export function merged(conflict: Conflict, picks: Picks): unknown {
  const merge = conflict.merge;
  if (!merge) return undefined;
  let data = structuredClone(merge.data) as unknown;
  for (const field of merge.fields) {
    const side = picks[field.path];
    if (field.open && side) data = put(data, steps(field.path), field[side], side in field);
  }
  return data;
}

/** Places where somebody must choose and has not. */
export const left = (conflict: Conflict, picks: Picks): string[] =>
  (conflict.merge?.open ?? []).filter((path) => !(path in picks));

/** RFC 6901. */
export const steps = (pointer: string): string[] =>
  pointer
    .split("/")
    .slice(1)
    .map((step) => step.replaceAll("~1", "/").replaceAll("~0", "~"));

/** All open places are in objects, for arrays are chosen whole. */
function put(into: unknown, path: readonly string[], value: unknown, isThere: boolean): unknown {
  const [step, ...rest] = path;
  if (step === undefined) return value;
  const members = new Map(Object.entries(into as Record<string, unknown>));
  if (rest.length > 0) members.set(step, put(members.get(step), rest, value, isThere));
  else if (isThere) members.set(step, value);
  else members.delete(step);
  return Object.fromEntries(members);
}

const MOST_CHARACTERS = 200;

/** A value in one line. */
export function shown(field: Field, side: "base" | Side): string {
  if (!(side in field)) return "none";
  const text = JSON.stringify(field[side]);
  return text.length > MOST_CHARACTERS ? `${text.slice(0, MOST_CHARACTERS)}…` : text;
}
