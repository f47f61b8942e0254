/** What a node of a scanned document is and says: its name, its text, what is under it, its pointer and its key path. */

import { Kind, NO_KEY, type Scan } from "./scan";

const decoder = new TextDecoder();
const encoder = new TextEncoder();
const QUOTE = 0x22;
const BACKSLASH = 0x5c;

/** The value as its document writes it. */
export function rawText(doc: Scan, node: number): string {
  return decoder.decode(doc.bytes.subarray(doc.start[node], doc.end[node]));
}

/** The value's first characters, and whether these are all: megabytes of text make no long row. */
export function headText(doc: Scan, node: number, most: number): { text: string; cut: boolean } {
  const start = doc.start[node] as number;
  const end = doc.end[node] as number;
  if (end - start <= most) return { text: rawText(doc, node), cut: false };
  return { text: decoder.decode(doc.bytes.subarray(start, wholeCharacter(doc.bytes, start + most))), cut: true };
}

/** The place at or before `at` at which a character begins. */
export function wholeCharacter(bytes: Uint8Array, at: number): number {
  let place = at;
  while (place > 0 && ((bytes[place] as number) & 0xc0) === 0x80) place -= 1;
  return place;
}

/** What a text between quotes says. Halves of surrogate pairs stay halves. */
export function unquoted(quoted: string): string {
  return quoted.includes("\\") ? (JSON.parse(quoted) as string) : quoted.slice(1, -1);
}

export function isMember(doc: Scan, node: number): boolean {
  return (doc.key[node] as number) >= 0;
}

export function isContainer(doc: Scan, node: number): boolean {
  return (doc.kind[node] as number) >= Kind.List;
}

export function memberName(doc: Scan, node: number): string {
  return unquoted(decoder.decode(doc.bytes.subarray(doc.key[node], keyEnd(doc, node))));
}

/** Behind the closing quote of a member's name. */
export function keyEnd(doc: Scan, node: number): number {
  const { bytes } = doc;
  let at = (doc.key[node] as number) + 1;
  while (bytes[at] !== QUOTE) at += bytes[at] === BACKSLASH ? 2 : 1;
  return at + 1;
}

/** An element's place in its list. */
export function indexOf(doc: Scan, node: number): number {
  return -1 - (doc.key[node] as number);
}

export function* children(doc: Scan, node: number): Generator<number> {
  const end = doc.next[node] as number;
  if (!isContainer(doc, node)) return;
  for (let child = node + 1; child < end; child = doc.next[child] as number) yield child;
}

/** The nodes from the document down to `node`. */
export function lineage(doc: Scan, node: number): number[] {
  const found: number[] = [];
  for (let at = node; at >= 0; at = doc.parent[at] as number) found.push(at);
  return found.reverse();
}

/** A name as many maps are asked for it. */
export interface Sought {
  name: string;
  bytes: Uint8Array;
  /** No text spells it without escapes. */
  isEscaped: boolean;
}

export function sought(name: string): Sought {
  const bytes = encoder.encode(name);
  return { name, bytes, isEscaped: bytes.includes(BACKSLASH) || bytes.includes(QUOTE) };
}

/** The child of that name of a map: of several the last, which is the one that counts. */
export function member(doc: Scan, node: number, name: string | Sought): number {
  if (!isContainer(doc, node)) return -1;
  const wanted = typeof name === "string" ? sought(name) : name;
  const end = doc.next[node] as number;
  let found = -1;
  for (let child = node + 1; child < end; child = doc.next[child] as number)
    if (named(doc, child, wanted)) found = child;
  return found;
}

function named(doc: Scan, child: number, { name, bytes, isEscaped }: Sought): boolean {
  const from = (doc.key[child] as number) + 1;
  for (let i = 0; i < bytes.length; i += 1) {
    if (doc.bytes[from + i] !== bytes[i]) return hasEscape(doc.bytes, from) && memberName(doc, child) === name;
  }
  return doc.bytes[from + bytes.length] === QUOTE && !isEscaped;
}

function hasEscape(bytes: Uint8Array, from: number): boolean {
  let at = from;
  while (bytes[at] !== QUOTE && bytes[at] !== BACKSLASH) at += 1;
  return bytes[at] === BACKSLASH;
}

export function isRoot(doc: Scan, node: number): boolean {
  return doc.key[node] === NO_KEY;
}
