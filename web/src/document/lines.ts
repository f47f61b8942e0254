/** The stored bytes as lines of bounded length: a document without line breaks is folded, not cut. */

import { wholeCharacter } from "./nodes";

const NEWLINE = 0x0a;
const LONGEST = 180;

export interface Lines {
  /** Where each line begins; one more than there are lines. */
  start: Int32Array;
  /** The number of the stored line each belongs to. */
  number: Int32Array;
}

export function lines(bytes: Uint8Array): Lines {
  const start: number[] = [];
  const number: number[] = [];
  let stored = 1;
  for (let at = 0; at < bytes.length; ) {
    const found = bytes.indexOf(NEWLINE, at);
    const end = found < 0 ? bytes.length : found + 1;
    do {
      start.push(at);
      number.push(stored);
      at = end - at > LONGEST ? wholeCharacter(bytes, at + LONGEST) : end;
    } while (at < end);
    stored += 1;
  }
  start.push(bytes.length);
  return { start: Int32Array.from(start), number: Int32Array.from(number) };
}

/** The line that a byte is on. */
export function lineAt({ start }: Lines, byte: number): number {
  let low = 0;
  let high = start.length - 2;
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if ((start[middle] as number) <= byte) low = middle;
    else high = middle - 1;
  }
  return low;
}
