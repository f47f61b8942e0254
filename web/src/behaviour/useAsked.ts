import { useMemo } from "preact/hooks";
import { AGES, type Range, readQuestion } from "../explore/question.ts";
import { filtersOf } from "../explore/rows.ts";
import { query } from "../state/location.ts";
import { zone } from "../state/zone.ts";

/** The range and the conditions of the address, as the explorer has them, of a page with another usual range. */
export function useAsked(usual: Range) {
  const asked = query.value.toString();
  return useMemo(() => {
    const all = new URLSearchParams(asked);
    if (!all.has("range")) all.set("range", usual);
    const question = readQuestion(all, zone.value, Date.now());
    const range = [question.span.fromMs, question.span.toMs].map((ms) => new Date(ms).toISOString());
    const filters = filtersOf(question.where) as unknown[];
    /** For who saves it: of the newest days. */
    const saved = question.range === null ? range : AGES[question.range];
    return { question, range, saved, filters, zone: zone.value, key: asked };
  }, [asked, zone.value, usual]);
}

export const setRange = (usual: Range) => (name: Range) => ({ range: name === usual ? null : name });

/** The address's choice, where it is one of those offered. */
export function oneOf<Name extends string>(
  given: string | null,
  offered: Readonly<Record<Name, string>>,
  usual: Name,
): Name {
  return given !== null && given in offered ? (given as Name) : usual;
}
