/** A board's tiles: their order, their size, and what an answer is drawn as. */

import { type Column, type Drawing, drawingOf } from "../console/drawing.ts";
import type { Row } from "../explore/rows.ts";
import type { Kind, Spec } from "../saved/kinds.ts";

export interface TileAnswer {
  kind: Kind;
  /** Of SQL; of other kinds they are found in the rows. */
  columns: readonly Column[] | null;
  rows: readonly Row[];
}

/** Where a tile is and how large. */
export interface Placed {
  id: string;
  width: number;
  height: number;
}

export const WIDEST = 3;
export const HIGHEST = 2;
export const MOST_TILES = 24;

/** The route that runs each kind. */
export const ROUTES = {
  explorer: "/v1/query",
  sql: "/v1/sql",
  funnel: "/v1/query/funnel",
  retention: "/v1/query/retention",
  paths: "/v1/query/paths",
} as const;

/** One taken out of its place and put before what stands at another. */
export function moved<T>(tiles: readonly T[], from: number, to: number): T[] {
  const next = [...tiles];
  const [one] = next.splice(from, 1);
  if (one !== undefined) next.splice(Math.min(next.length, Math.max(0, to)), 0, one);
  return next;
}

export function resized<T extends Placed>(tile: T, wider: number, higher: number): T {
  const within = (value: number, most: number) => Math.min(most, Math.max(1, value));
  return { ...tile, width: within(tile.width + wider, WIDEST), height: within(tile.height + higher, HIGHEST) };
}

export function columnsOf({ columns, rows }: TileAnswer): readonly Column[] {
  if (columns) return columns;
  const first = rows[0] ?? {};
  return Object.entries(first)
    .filter(([name]) => name !== "previous")
    .map(([name, value]) => ({
      name,
      type: name === "time" ? "TIMESTAMP" : typeof value === "number" || value === null ? "DOUBLE" : "VARCHAR",
    }));
}

/** Lines along time or bars by a text; null for a table, or for numbers alone. */
export function drawn(answer: TileAnswer): Drawing | null {
  return drawingOf(columnsOf(answer), answer.rows);
}

/** The numbers of an answer that is nothing else. */
export function numbersOf(answer: TileAnswer): { name: string; value: number }[] | null {
  const [row, ...more] = answer.rows;
  if (!row || more.length > 0) return null;
  const numbers = columnsOf(answer).flatMap(({ name }) => {
    const value = row[name];
    return typeof value === "number" ? [{ name, value }] : [];
  });
  return numbers.length > 0 && numbers.length === columnsOf(answer).length ? numbers : null;
}

export interface Asked {
  kind: Kind;
  spec: Spec;
}
