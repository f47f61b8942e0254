/** Paths as a flow: columns of values, a band for each move from one to the next. */

import type { Row } from "../explore/rows.ts";

export interface Move {
  step: number;
  from: unknown;
  to: unknown;
  users: number;
  times: number;
}

export interface Node {
  column: number;
  name: string;
  times: number;
  y: number;
  height: number;
}

export interface Band {
  move: Move;
  /** Its middle at both ends, and how wide it is. */
  fromY: number;
  toY: number;
  width: number;
  column: number;
}

export interface Flow {
  nodes: readonly Node[];
  bands: readonly Band[];
  height: number;
}

export const DEPTHS = { "1": "1 step", "2": "2 steps", "3": "3 steps", "4": "4 steps", "5": "5 steps" } as const;
export const GAPS = { "5m": "5 minutes", "30m": "30 minutes", "6h": "6 hours", "1d": "a day", "7d": "a week" } as const;
/** So many moves of each step. */
export const MOST_MOVES = 24;
const ROOM = 420;
const BETWEEN = 14;
const LEAST = 3;

export function movesOf(rows: readonly Row[]): Move[] {
  return rows.map(({ step, from, to, users, times }) => {
    return { step: Number(step), from, to, users: Number(users) || 0, times: Number(times) || 0 };
  });
}

export function nameOf(value: unknown): string {
  if (value === null || value === undefined) return "nothing";
  return value === "" ? "an empty text" : String(value);
}

/** Each value as high as its moves are many; those of a column below each other. */
export function flowOf(moves: readonly Move[], room = ROOM): Flow {
  const columns = Math.max(0, ...moves.map(({ step }) => step)) + 1;
  const sides = Array.from({ length: columns }, () => new Map<string, { into: number; out: number }>());
  for (const { step, from, to, times } of moves) {
    side(sides[step - 1], from).out += times;
    side(sides[step], to).into += times;
  }
  const totals = sides.map((one) => [...one.values()].reduce((sum, { into, out }) => sum + Math.max(into, out), 0));
  const scale = room / Math.max(1, ...totals);
  const nodes = sides.flatMap((one, column) => stacked(one, column, scale));
  const places = new Map(nodes.map((node) => [`${node.column} ${node.name}`, node]));
  const used = new Map<string, number>();
  const taken = (way: string, node: Node, width: number) => {
    const key = `${way} ${node.column} ${node.name}`;
    const before = used.get(key) ?? 0;
    used.set(key, before + width);
    return node.y + before + width / 2;
  };
  const bands = moves.flatMap((move) => {
    const from = places.get(`${move.step - 1} ${nameOf(move.from)}`);
    const to = places.get(`${move.step} ${nameOf(move.to)}`);
    if (!from || !to) return [];
    const width = Math.max(1, move.times * scale);
    const [fromY, toY] = [taken("out", from, width), taken("into", to, width)];
    return [{ move, fromY, toY, width, column: move.step - 1 }];
  });
  return { nodes, bands, height: Math.max(40, ...nodes.map(({ y, height }) => y + height + 4)) };
}

function side(of: Map<string, { into: number; out: number }> | undefined, value: unknown) {
  const name = nameOf(value);
  const found = of?.get(name) ?? { into: 0, out: 0 };
  of?.set(name, found);
  return found;
}

function stacked(one: ReadonlyMap<string, { into: number; out: number }>, column: number, scale: number): Node[] {
  let y = 4;
  const ordered = [...one].map(([name, { into, out }]) => ({ name, times: Math.max(into, out) }));
  ordered.sort((a, b) => b.times - a.times);
  return ordered.map(({ name, times }) => {
    const height = Math.max(LEAST, times * scale);
    const node = { column, name, times, y, height };
    y += height + BETWEEN;
    return node;
  });
}
