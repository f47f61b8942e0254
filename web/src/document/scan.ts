/**
 * One pass over the bytes of a JSON text into flat typed arrays: a node a value, in the order of the text.
 *
 * Nothing is decoded and nothing is rounded: a row cuts its text out of the bytes. A node's subtree is the nodes from it
 * up to `next[node]`, which is its next sibling where that has the same parent. 27 bytes a node.
 */

export enum Kind {
  Null,
  False,
  True,
  Number,
  Text,
  List,
  Map,
}

export interface Scan {
  bytes: Uint8Array;
  count: number;
  /** Where the value begins and ends in the bytes. */
  start: Int32Array;
  end: Int32Array;
  /** -1 of the document itself. */
  parent: Int32Array;
  next: Int32Array;
  /** Of a member the place of its name's opening quote; of an element -1 - its index; of the document `NO_KEY`. */
  key: Int32Array;
  /** Of a map or list how many members or elements it has. */
  size: Int32Array;
  kind: Uint8Array;
  depth: Uint16Array;
}

export const NO_KEY = -0x80000000;

export class BrokenText extends Error {
  constructor(
    what: string,
    readonly at: number,
  ) {
    super(`${what} at byte ${at}`);
  }
}

const QUOTE = 0x22;
const COMMA = 0x2c;
const COLON = 0x3a;
const BACKSLASH = 0x5c;
const OPEN_LIST = 0x5b;
const CLOSE_LIST = 0x5d;
const OPEN_MAP = 0x7b;
const CLOSE_MAP = 0x7d;
const MOST_DEPTH = 0xffff;

/** Bytes that a text between quotes may not hold as they are, or that end it. */
const STOPS = new Uint8Array(256);
for (let byte = 0; byte < 0x20; byte += 1) STOPS[byte] = 1;
STOPS[QUOTE] = 1;
STOPS[BACKSLASH] = 1;

const ESCAPES = new Set([...'"\\/bfnrt'].map((letter) => letter.charCodeAt(0)));

/** Raises BrokenText where the bytes are no JSON. */
export function scan(bytes: Uint8Array): Scan {
  return new Scanner(bytes).run();
}

class Scanner {
  private at = 0;
  private count = 0;
  private top = -1;
  private room: number;
  private start: Int32Array;
  private end: Int32Array;
  private parent: Int32Array;
  private next: Int32Array;
  private key: Int32Array;
  private size: Int32Array;
  private kind: Uint8Array;
  private depth: Uint16Array;

  constructor(private readonly bytes: Uint8Array) {
    this.room = (bytes.length >> 4) + 64;
    this.start = new Int32Array(this.room);
    this.end = new Int32Array(this.room);
    this.parent = new Int32Array(this.room);
    this.next = new Int32Array(this.room);
    this.key = new Int32Array(this.room);
    this.size = new Int32Array(this.room);
    this.kind = new Uint8Array(this.room);
    this.depth = new Uint16Array(this.room);
  }

  run(): Scan {
    this.skipSpace();
    this.value(NO_KEY);
    while (this.top >= 0) this.step();
    this.skipSpace();
    if (this.at < this.bytes.length) throw this.broken("something after the end of the document");
    const { bytes, count } = this;
    return {
      bytes,
      count,
      start: this.start.slice(0, count),
      end: this.end.slice(0, count),
      parent: this.parent.slice(0, count),
      next: this.next.slice(0, count),
      key: this.key.slice(0, count),
      size: this.size.slice(0, count),
      kind: this.kind.slice(0, count),
      depth: this.depth.slice(0, count),
    };
  }

  /** One member or element of the innermost open map or list, or its end. */
  private step(): void {
    const node = this.top;
    const isMap = this.kind[node] === Kind.Map;
    this.skipSpace();
    if (this.bytes[this.at] === (isMap ? CLOSE_MAP : CLOSE_LIST)) {
      this.close(node);
      return;
    }
    const size = this.size[node] as number;
    if (size > 0) {
      if (this.bytes[this.at] !== COMMA) throw this.broken("a comma is missing");
      this.at += 1;
      this.skipSpace();
    }
    this.size[node] = size + 1;
    this.value(isMap ? this.name() : -1 - size);
  }

  private close(node: number): void {
    if (this.size[node] !== 0 && this.lastIsComma()) throw this.broken("a value is missing");
    this.at += 1;
    this.end[node] = this.at;
    this.next[node] = this.count;
    this.top = this.parent[node] as number;
  }

  private lastIsComma(): boolean {
    let at = this.at - 1;
    while (isSpace(this.bytes[at] as number)) at -= 1;
    return this.bytes[at] === COMMA;
  }

  private name(): number {
    const key = this.at;
    if (this.bytes[key] !== QUOTE) throw this.broken("a name is missing");
    this.text();
    this.skipSpace();
    if (this.bytes[this.at] !== COLON) throw this.broken("a colon is missing");
    this.at += 1;
    this.skipSpace();
    return key;
  }

  private value(key: number): void {
    const byte = this.bytes[this.at] as number;
    const node = this.open(key);
    if (byte === OPEN_MAP || byte === OPEN_LIST) {
      this.kind[node] = byte === OPEN_MAP ? Kind.Map : Kind.List;
      this.top = node;
      this.at += 1;
      return;
    }
    if (byte === QUOTE) {
      this.kind[node] = Kind.Text;
      this.text();
    } else if (byte === 0x74) this.word(node, "true", Kind.True);
    else if (byte === 0x66) this.word(node, "false", Kind.False);
    else if (byte === 0x6e) this.word(node, "null", Kind.Null);
    else {
      this.kind[node] = Kind.Number;
      this.number();
    }
    this.end[node] = this.at;
    this.next[node] = this.count;
  }

  private open(key: number): number {
    if (this.count === this.room) this.grow();
    const node = this.count;
    const depth = this.top < 0 ? 0 : (this.depth[this.top] as number) + 1;
    if (depth > MOST_DEPTH) throw this.broken("more levels than can be shown");
    this.count += 1;
    this.start[node] = this.at;
    this.parent[node] = this.top;
    this.key[node] = key;
    this.depth[node] = depth;
    return node;
  }

  /** From an opening quote to behind the closing one. */
  private text(): void {
    const { bytes } = this;
    let at = this.at + 1;
    for (;;) {
      while (at < bytes.length && STOPS[bytes[at] as number] === 0) at += 1;
      this.at = at;
      const byte = bytes[at];
      if (byte === QUOTE) break;
      if (byte !== BACKSLASH)
        throw this.broken(byte === undefined ? "the text ends within a string" : "a control character");
      at = this.escape(at + 1);
    }
    this.at = at + 1;
  }

  private escape(at: number): number {
    const byte = this.bytes[at] as number;
    if (ESCAPES.has(byte)) return at + 1;
    if (byte !== 0x75) throw this.broken("an escape that is none");
    for (let digit = at + 1; digit < at + 5; digit += 1) {
      if (!isHex(this.bytes[digit] as number)) throw this.broken("an escape that is none");
    }
    return at + 5;
  }

  private word(node: number, word: string, kind: Kind): void {
    for (let i = 0; i < word.length; i += 1) {
      if (this.bytes[this.at + i] !== word.charCodeAt(i)) throw this.broken("no value");
    }
    this.kind[node] = kind;
    this.at += word.length;
  }

  private number(): void {
    const { bytes } = this;
    if (bytes[this.at] === 0x2d) this.at += 1;
    if (bytes[this.at] === 0x30) this.at += 1;
    else this.digits("no value");
    if (bytes[this.at] === 0x2e) {
      this.at += 1;
      this.digits("a number that is none");
    }
    if (((bytes[this.at] as number) | 0x20) === 0x65) {
      this.at += 1;
      if (bytes[this.at] === 0x2b || bytes[this.at] === 0x2d) this.at += 1;
      this.digits("a number that is none");
    }
  }

  private digits(otherwise: string): void {
    const first = this.at;
    while (isDigit(this.bytes[this.at] as number)) this.at += 1;
    if (this.at === first) throw this.broken(otherwise);
  }

  private skipSpace(): void {
    while (isSpace(this.bytes[this.at] as number)) this.at += 1;
  }

  private broken(what: string): BrokenText {
    return new BrokenText(this.at >= this.bytes.length ? "the text ends too early" : what, this.at);
  }

  private grow(): void {
    this.room += this.room >> 1;
    this.start = longer(this.start, this.room);
    this.end = longer(this.end, this.room);
    this.parent = longer(this.parent, this.room);
    this.next = longer(this.next, this.room);
    this.key = longer(this.key, this.room);
    this.size = longer(this.size, this.room);
    const kind = new Uint8Array(this.room);
    kind.set(this.kind);
    this.kind = kind;
    const depth = new Uint16Array(this.room);
    depth.set(this.depth);
    this.depth = depth;
  }
}

function longer(old: Int32Array, room: number): Int32Array {
  const grown = new Int32Array(room);
  grown.set(old);
  return grown;
}

function isSpace(byte: number): boolean {
  return byte === 0x20 || byte === 0x0a || byte === 0x0d || byte === 0x09;
}

function isDigit(byte: number): boolean {
  return byte >= 0x30 && byte <= 0x39;
}

function isHex(byte: number): boolean {
  return isDigit(byte) || ((byte | 0x20) >= 0x61 && (byte | 0x20) <= 0x66);
}
