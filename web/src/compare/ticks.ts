// The rail beside the ledger: all changes of a comparison as ticks, however many they are.

import { OPS, type Op } from "./filters.ts";

export interface Tick {
  op: Op;
  /** Shares of the whole, from 0 to 1. */
  top: number;
  height: number;
}

/** Ticks of the API's rail: one byte for each part of the list, whose bits are the kinds of `OPS` found in it. */
export function ticks(rail: string): Tick[] {
  const bytes = Uint8Array.from(atob(rail), (char) => char.charCodeAt(0));
  const found: Tick[] = [];
  for (let at = 0; at < bytes.length; ) {
    const byte = bytes[at] ?? 0;
    let end = at + 1;
    while (end < bytes.length && bytes[end] === byte) end += 1;
    found.push(...split(byte, at / bytes.length, (end - at) / bytes.length));
    at = end;
  }
  return found;
}

function split(byte: number, top: number, height: number): Tick[] {
  const ops = OPS.filter((_, bit) => (byte >> bit) & 1);
  return ops.map((op, i) => ({ op, top: top + (height * i) / ops.length, height: height / ops.length }));
}
