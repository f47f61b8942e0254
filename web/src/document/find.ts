/** Search over the bytes of a scanned document: names and values that hold a text, whatever its case and accents. */

import { fold } from "../folding";
import { isMember, keyEnd, unquoted } from "./nodes";
import { Kind, type Scan } from "./scan";

const decoder = new TextDecoder();
const encoder = new TextEncoder();
const BACKSLASH = 0x5c;

/** To lower case, of the letters of ASCII alone. */
const FOLD = new Uint8Array(256);
for (let byte = 0; byte < 256; byte += 1) FOLD[byte] = byte >= 0x41 && byte <= 0x5a ? byte + 0x20 : byte;

/** The nodes whose name or value holds `text`, in the document's order; `most` of them, and how many there are. */
export function find(doc: Scan, text: string, most = 100_000): { nodes: Int32Array; total: number } {
  const holds = matcher(doc, text);
  const nodes = new Int32Array(Math.min(most, doc.count));
  let total = 0;
  for (let node = 0; node < doc.count; node += 1) {
    if (!holds(node)) continue;
    if (total < nodes.length) nodes[total] = node;
    total += 1;
  }
  return { nodes: nodes.slice(0, Math.min(total, nodes.length)), total };
}

function matcher(doc: Scan, text: string): (node: number) => boolean {
  const sought = fold(text);
  const plain = encoder.encode(sought);
  const ascii = plain.every((byte) => byte < 0x80) && !/["\\]/.test(sought);
  const inText = ascii
    ? (from: number, to: number): boolean => asciiIn(doc.bytes, plain, from, to)
    : (from: number, to: number): boolean => read(doc.bytes, from, to).includes(sought);
  return (node) => {
    if (isMember(doc, node) && inText((doc.key[node] as number) + 1, keyEnd(doc, node) - 1)) return true;
    const kind = doc.kind[node] as Kind;
    if (kind >= Kind.List) return false;
    const quote = kind === Kind.Text ? 1 : 0;
    return inText((doc.start[node] as number) + quote, (doc.end[node] as number) - quote);
  };
}

/** Where there is an escape or an accent what it stands for counts. */
function asciiIn(bytes: Uint8Array, plain: Uint8Array, from: number, to: number): boolean {
  const first = plain[0] as number;
  const last = to - plain.length;
  let coded = false;
  for (let at = from; at < to; at += 1) {
    const byte = bytes[at] as number;
    if (byte === BACKSLASH || byte >= 0x80) coded = true;
    if (at > last || FOLD[byte] !== first) continue;
    let same = 1;
    while (same < plain.length && FOLD[bytes[at + same] as number] === plain[same]) same += 1;
    if (same === plain.length)
      return !coded && !bytes.subarray(from, to).includes(BACKSLASH) ? true : decodedHas(bytes, plain, from, to);
  }
  return coded && decodedHas(bytes, plain, from, to);
}

function decodedHas(bytes: Uint8Array, plain: Uint8Array, from: number, to: number): boolean {
  return read(bytes, from, to).includes(decoder.decode(plain));
}

function read(bytes: Uint8Array, from: number, to: number): string {
  return fold(unquoted(`"${decoder.decode(bytes.subarray(from, to))}"`));
}
