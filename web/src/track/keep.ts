/**
 * What of a source is kept: all of a place, or some of what is under it. One record stands for all of its list, and a
 * list may be kept only where its records are so.
 *
 * A `Keep` never says the same in two ways: what is kept whole is "all", what is not kept at all is undefined.
 */

import { EACH, type Place, type Shape, shapeAt } from "./shape.ts";

export type Operator = "==" | ">=" | "<=";

/** Of a record's field, by its steps; `value` is JSON as it is written. */
export interface Condition {
  field: readonly string[];
  operator: Operator;
  value: string;
}

export type Keep =
  | "all"
  | { kind: "map"; members: ReadonlyMap<string, Keep> }
  | { kind: "list"; each: Keep; where: readonly Condition[] };

export type Kept = "all" | "some" | "none";

/** How much of a place is kept. */
export function keptAt(keep: Keep | undefined, place: Place): Kept {
  let at = keep;
  for (const step of place) {
    if (at === "all") return "all";
    at = at === undefined ? undefined : at.kind === "list" ? at.each : at.members.get(step);
  }
  if (at === undefined) return "none";
  return at === "all" ? "all" : "some";
}

/** Keeps a place whole where it is not, or drops it. */
export function toggled(keep: Keep | undefined, shape: Shape, place: Place): Keep | undefined {
  const wanted = keptAt(keep, place) === "all" ? undefined : "all";
  return put(keep, shape, place, wanted);
}

function put(keep: Keep | undefined, shape: Shape, place: Place, wanted: Keep | undefined): Keep | undefined {
  const [step, ...rest] = place;
  if (step === undefined) return wanted;
  if (shape.kind === "list" && shape.each !== null && step === EACH) {
    const before = keep === "all" ? "all" : keep?.kind === "list" ? keep.each : undefined;
    const each = put(before, shape.each, rest, wanted);
    const where = typeof keep === "object" && keep.kind === "list" ? keep.where : [];
    return each === undefined
      ? undefined
      : each === "all" && where.length === 0
        ? "all"
        : { kind: "list", each, where };
  }
  const below = shape.kind === "map" ? shape.members.get(step) : undefined;
  if (shape.kind !== "map" || below === undefined) return keep;
  const members = new Map<string, Keep>();
  for (const name of shape.members.keys()) {
    const before = keep === "all" ? "all" : keep?.kind === "map" ? keep.members.get(name) : undefined;
    const after = name === step ? put(before, below, rest, wanted) : before;
    if (after !== undefined) members.set(name, after);
  }
  if (members.size === 0) return undefined;
  const isWhole = members.size === shape.members.size && [...members.values()].every((each) => each === "all");
  return isWhole ? "all" : { kind: "map", members };
}

/** The conditions on the records of the list at a place. */
export function conditionsAt(keep: Keep | undefined, place: Place): readonly Condition[] {
  const list = at(keep, place);
  return typeof list === "object" && list.kind === "list" ? list.where : [];
}

/** Keeps a list only where its records are so; a condition on the same field is replaced. */
export function withConditions(
  keep: Keep | undefined,
  shape: Shape,
  list: Place,
  where: readonly Condition[],
): Keep | undefined {
  const found = shapeAt(shape, list);
  if (found?.kind !== "list" || found.each === null) return keep;
  const before = at(keep, list);
  const each = typeof before === "object" && before.kind === "list" ? before.each : "all";
  return put(keep, shape, list, each === "all" && where.length === 0 ? "all" : { kind: "list", each, where });
}

function at(keep: Keep | undefined, place: Place): Keep | undefined {
  let found = keep;
  for (const step of place) {
    if (typeof found !== "object") return found;
    found = found.kind === "list" ? found.each : found.members.get(step);
  }
  return found;
}

/** The innermost list that a place is within, and the steps from its records; null of what is in none. */
export function inRecord(place: Place): { list: Place; field: Place } | null {
  const last = place.lastIndexOf(EACH);
  return last < 0 ? null : { list: place.slice(0, last), field: place.slice(last + 1) };
}
