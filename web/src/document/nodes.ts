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

/** The child `name` of a map: of several the last, which is the one that counts. */
export function member(doc: Scan, node: number, name: string): number {
  const plain = encoder.encode(name);
  let found = -1;
  for (const child of children(doc, node)) if (named(doc, child, plain, name)) found = child;
  return found;
}

function named(doc: Scan, child: number, plain: Uint8Array, name: string): boolean {
  const { bytes } = doc;
  const from = (doc.key[child] as number) + 1;
  for (let i = 0; i < plain.length; i += 1) {
    if (bytes[from + i] !== plain[i])
      return bytes.subarray(from, keyEnd(doc, child)).includes(BACKSLASH) && memberName(doc, child) === name;
  }
  return bytes[from + plain.length] === QUOTE && !plain.includes(BACKSLASH) && !plain.includes(QUOTE);
}

export function isRoot(doc: Scan, node: number): boolean {
  return doc.key[node] === NO_KEY;
}
