import type { Schemas } from "../api.ts";

export type Conflict = Schemas["SyncConflict"];
export type Field = Schemas["MergeField"];
export type Side = "server" | "device";

/** What of each open place is taken, by its path. */
export type Picks = Readonly<Record<string, Side>>;

/** Places where somebody must choose and has not. */
export const left = (conflict: Conflict, picks: Picks): string[] =>
  (conflict.merge?.open ?? []).filter((path) => !(path in picks));

/** Those of places that are still open: the record may have changed since they were chosen. */
export const ofOpen = (conflict: Conflict, picks: Picks): Picks =>
  Object.fromEntries(Object.entries(picks).filter(([path]) => conflict.merge?.open.includes(path)));

const MOST_CHARACTERS = 200;

/** A value in one line. */
export function shown(field: Field, side: "base" | Side): string {
  if (!(side in field)) return "none";
  const text = JSON.stringify(field[side]);
  return text.length > MOST_CHARACTERS ? `${text.slice(0, MOST_CHARACTERS)}…` : text;
}
