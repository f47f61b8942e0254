/** What differed between two tries: beside the rows, and as what may be ignored. */

import { escapeName } from "../document/paths.ts";
import { type Keep, keptAt } from "./keep.ts";
import type { Noise } from "./Plan.tsx";
import { EACH, type Place } from "./shape.ts";
import type { Tried } from "./useTrial.ts";

type Field = Tried["fields"][number];
const MOST = 12;

export function patternOf(place: Place): string {
  return place.map((step) => `/${step === EACH ? EACH : escapeName(step)}`).join("");
}

function placeOf(pattern: string): Place {
  return pattern
    .split("/")
    .slice(1)
    .map((step) => step.replaceAll("~1", "/").replaceAll("~0", "~"));
}

export function noiseText(field: Field | undefined, isKey: boolean): { text: string; isNoise: boolean } {
  if (field === undefined) return { text: isKey ? "the key" : "", isNoise: false };
  if (field.differs === 0) {
    const steady = field.same ? `same in all ${field.of.toLocaleString()}` : "steady";
    return { text: isKey ? "the key" : steady, isNoise: false };
  }
  return { text: often(field), isNoise: true };
}

/** What stood at a place of the tree in the first try, where it was another; null elsewhere. */
export function wasText(field: Field | undefined, path: string): string | null {
  if (!field?.first || field.first.path !== path) return null;
  const { before } = field.first;
  return typeof before === "string" ? before : JSON.stringify(before);
}

function often({ differs, of }: Field): string {
  if (of === 1) return "new each time";
  return differs === of
    ? `new in all ${of.toLocaleString()}`
    : `in ${differs.toLocaleString()} of ${of.toLocaleString()}`;
}

/** What differs in the document that is kept, and what of the source's noise the expression leaves out. */
export function noiseOf(
  source: Tried,
  made: Tried | null,
  transform: string | null,
  keep: Keep | undefined | null,
): readonly Noise[] {
  const whole = source.fields.filter(({ noise }) => noise);
  const own = transform === null ? whole : (made?.fields ?? []).filter(({ noise }) => noise);
  const isOut = ({ pattern }: Field) =>
    transform !== null && keep !== null && keptAt(keep, placeOf(pattern)) === "none";
  return [
    ...own.map((field) => ({ pattern: field.pattern, text: often(field), isOut: false })),
    ...whole.filter(isOut).map((field) => ({ pattern: field.pattern, text: "", isOut: true })),
  ].slice(0, MOST);
}
