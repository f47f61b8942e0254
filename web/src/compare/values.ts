// How the values of a change stand in its line: in pieces with what differs marked, and what is said behind them.

import type { Row } from "./lines.ts";
import { difference, distance, timeOf } from "./numbers.ts";
import { cutToLine, escaped, type Piece, pieceOf, type Sign, side } from "./words.ts";

const LINE = 160;
const QUOTE: Piece = { sign: "=", text: '"' };

export type Kind = "str" | "num" | "lit";

export function kindOf(text: string): Kind {
  if (text.startsWith('"')) return "str";
  return /^[-\d]/.test(text) ? "num" : "lit";
}

/** One side of a change in a line: a changed text with its words marked, anything else marked whole. */
export function sideOf(row: Row, sign: "-" | "+"): Piece[] {
  const text = sign === "-" ? row.old : row.new;
  if (text === undefined) return [];
  return row.text ? quoted(side(row.text, sign)) : cutToLine([{ sign: row.op === "same" ? "=" : sign, text }], LINE);
}

/** Both sides in one line: the words of a text in each other, other values one behind the other. */
export function inlineOf(row: Row): Piece[] {
  if (row.text) return quoted(row.text.map(pieceOf));
  if (row.op === "same") return sideOf(row, "+");
  const [old, now] = [sideOf(row, "-"), sideOf(row, "+")];
  return old.length > 0 && now.length > 0 ? [...old, { sign: "=", text: " → " }, ...now] : [...old, ...now];
}

function quoted(pieces: Piece[]): Piece[] {
  const written = pieces.map(({ sign, text }: { sign: Sign; text: string }) => ({ sign, text: escaped(text) }));
  return [QUOTE, ...cutToLine(written, LINE), QUOTE];
}

/** What stands in grey behind the two values: the time that a number means, how far it is, by how much a number grew. */
export function hintsOf(row: Row, reading: (ms: number) => string): { old: string; new: string } {
  const [old, now] = [row.old ?? "", row.new ?? ""];
  const [from, to] = [timeOf(row.field, old), timeOf(row.field, now)];
  if (from === null && to === null) return { old: "", new: difference(old, now) ?? "" };
  const far = from !== null && to !== null ? distance(from, to) : "";
  const shown = (ms: number | null, text: string) => (ms === null || text.startsWith('"') ? "" : reading(ms));
  if (row.op === "same") return { old: shown(from, old), new: shown(to, now) };
  return { old: shown(from, old), new: [shown(to, now), far].filter(Boolean).join("  ") };
}

/** A path in a record as people read it: what leads to the last step, and that. */
export function stepsOf(at: string): { lead: string; last: string } {
  const path = at.startsWith("/") ? at.slice(1) : at;
  const cut = path.lastIndexOf("/") + 1;
  return { lead: readable(path.slice(0, cut)), last: readable(path.slice(cut)) };
}

function readable(path: string): string {
  return path.replaceAll("~1", "/").replaceAll("~0", "~");
}

/**
 * A field's chip: within the array it is in, what leads to its last step, and that; elements as a whole are "records".
 * `named`: the array is named too, as there are several.
 */
export function chipName(pattern: string, named = false): { lead: string; last: string } {
  const steps = pattern.split("/").slice(1);
  const star = steps.indexOf("*");
  const array = named && star > 0 ? [steps[star - 1] as string] : [];
  const isElement = star >= 0 && star === steps.length - 1;
  const inside = isElement ? [] : star >= 0 ? steps.slice(star + 1) : steps;
  return {
    lead: [...array, ...inside.slice(0, -1)].map((step) => `${readable(step)}/`).join(""),
    last: isElement ? (star === 0 ? "elements" : "records") : readable(inside.at(-1) ?? "document"),
  };
}

/** Whether fields are of several arrays, so that a field's name alone does not say which is meant. */
export function inSeveralArrays(patterns: string[]): boolean {
  return new Set(patterns.filter((one) => one.includes("/*")).map((one) => one.slice(0, one.indexOf("/*")))).size > 1;
}
