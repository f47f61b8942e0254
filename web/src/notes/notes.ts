/** What was noted of times, as flags on a chart's axis: one each, or a count where there are many. */

import type { Schemas } from "../api.ts";
import type { Span } from "../time/bars.ts";

export type Note = Schemas["Annotation"];
export type NoteKind = Note["kind"];

export const KINDS: Readonly<Record<NoteKind, string>> = {
  deploy: "Deploy",
  incident: "Incident",
  release: "Release",
  campaign: "Campaign",
  note: "Note",
};
/** So many are asked for, and so many flags are drawn. */
export const MOST_NOTES = 500;
const MOST_FLAGS = 26;

export interface Flag {
  ms: number;
  /** Where its stretch ends; of a moment null. */
  toMs: number | null;
  /** A letter, or how many it stands for. */
  letter: string;
  notes: readonly Note[];
  isIncident: boolean;
}

/** In the order of time. Where there are more than flags, those of one stretch stand together. */
export function flagsOf(notes: readonly Note[], span: Span): Flag[] {
  const ordered = [...notes].sort((a, b) => Date.parse(a.time) - Date.parse(b.time));
  if (ordered.length <= MOST_FLAGS)
    return ordered.map((note, i) => flag([note], String.fromCharCode(97 + i), Math.max(span.fromMs, at(note))));
  const groups = new Map<number, Note[]>();
  const length = (span.toMs - span.fromMs) / MOST_FLAGS;
  for (const note of ordered) {
    const place = Math.max(0, Math.floor((at(note) - span.fromMs) / length));
    groups.set(place, [...(groups.get(place) ?? []), note]);
  }
  return [...groups.values()].map((group) =>
    flag(group, String(group.length), Math.max(span.fromMs, at(group[0] as Note))),
  );
}

function flag(notes: readonly Note[], letter: string, ms: number): Flag {
  const ends = notes.length === 1 ? (notes[0] as Note).end : null;
  return {
    ms,
    toMs: ends === null ? null : Date.parse(ends),
    letter,
    notes,
    isIncident: notes.some(({ kind }) => kind === "incident"),
  };
}

const at = (note: Note) => Date.parse(note.time);
