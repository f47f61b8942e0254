/** From paths to nodes, quickly for many: what is found in long lists and large maps is kept for the next path. */

import { children, isContainer, member, memberName, rawText, unquoted } from "./nodes";
import { fieldAt, type KeyStep, type Step, soughtField, steps } from "./paths";
import { Kind, type Scan } from "./scan";

const INDEX = /^(?:0|[1-9][0-9]{0,8})$/;
const FEW = 16;
const NEW_LINE = 0x0a;
const COMMA = 0x2c;
const decoder = new TextDecoder();

export class Places {
  private readonly elements = new Map<number, Int32Array>();
  private readonly members = new Map<number, Map<string, number>>();
  private readonly keyed = new Map<string, Map<string, number>>();

  constructor(readonly doc: Scan) {}

  /** The node at a pointer or key path, from `from` on; -1 where there is nothing. */
  resolve(path: string, from = 0): number {
    const all = steps(path);
    if (all === null) return -1;
    let at = from;
    for (const step of all) {
      at = this.step(at, step);
      if (at < 0) return -1;
    }
    return at;
  }

  /** As `resolve`, with the node of the longest part of the path that is there. */
  nearest(path: string, from = 0): number {
    let at = from;
    for (const step of steps(path) ?? []) {
      const below = this.step(at, step);
      if (below < 0) break;
      at = below;
    }
    return at;
  }

  element(list: number, index: number): number {
    const { doc } = this;
    if (doc.kind[list] !== Kind.List || index < 0 || index >= (doc.size[list] as number)) return -1;
    return this.elementsOf(list)[index] as number;
  }

  elementsOf(list: number): Int32Array {
    let found = this.elements.get(list);
    if (!found) {
      found = Int32Array.from(children(this.doc, list));
      this.elements.set(list, found);
    }
    return found;
  }

  private step(node: number, step: Step): number {
    if (this.doc.kind[node] === Kind.Map) return this.member(node, step.name);
    if (this.doc.kind[node] !== Kind.List) return -1;
    if (step.by) return this.elementBy(node, step.by);
    return INDEX.test(step.name) ? this.element(node, Number(step.name)) : -1;
  }

  member(map: number, name: string): number {
    const { doc } = this;
    if ((doc.size[map] as number) <= FEW) return member(doc, map, name);
    let names = this.members.get(map);
    if (!names) {
      names = new Map();
      for (const child of children(doc, map)) names.set(memberName(doc, child), child);
      this.members.set(map, names);
    }
    return names.get(name) ?? -1;
  }

  private elementBy(list: number, by: KeyStep): number {
    const index = `${list} ${by.fields.join(",")}`;
    let known = this.keyed.get(index);
    if (!known) {
      known = byKey(this.doc, this.elementsOf(list), by.fields);
      this.keyed.set(index, known);
    }
    for (const values of spellings(by.values)) {
      const at = known.get(values.join(","));
      if (at !== undefined) return at;
    }
    return -1;
  }
}

/** Elements by the text of their key: texts in quotes, all else as it is written. Of several with one key the first. */
function byKey(doc: Scan, elements: Int32Array, fields: readonly string[]): Map<string, number> {
  const found = new Map<string, number>();
  keysOf(doc, elements, fields).forEach((key, i) => {
    if (!found.has(key)) found.set(key, elements[i] as number);
  });
  return found;
}

/** Decoded all at once: a decoder that is called for each of 20,000 keys takes longer than the document's scan. */
function keysOf(doc: Scan, elements: Int32Array, fields: readonly string[]): string[] {
  const wanted = fields.map(soughtField);
  const nodes = new Int32Array(elements.length * fields.length);
  let room = nodes.length;
  elements.forEach((element, i) => {
    wanted.forEach((field, j) => {
      const at = fieldAt(doc, element, field);
      const isScalar = at >= 0 && !isContainer(doc, at);
      nodes[i * fields.length + j] = isScalar ? at : -1;
      if (isScalar) room += (doc.end[at] as number) - (doc.start[at] as number);
    });
  });
  const text = new Uint8Array(room);
  let to = 0;
  nodes.forEach((node, i) => {
    for (let from = doc.start[node] ?? 0, end = doc.end[node] ?? 0; from < end; from += 1)
      text[to++] = doc.bytes[from] as number;
    text[to++] = (i + 1) % fields.length === 0 ? NEW_LINE : COMMA; // no scalar goes over a line
  });
  const keys = decoder.decode(text).split("\n");
  keys.pop();
  return keys.map((key, i) =>
    key.includes("\\") ? spelled(doc, nodes.subarray(i * fields.length, (i + 1) * fields.length)) : key,
  );
}

/** The key of an element in whose texts there are escapes. */
function spelled(doc: Scan, nodes: Int32Array): string {
  const said = (at: number): string => {
    const text = at < 0 ? "" : rawText(doc, at);
    return doc.kind[at] === Kind.Text ? JSON.stringify(unquoted(text)) : text;
  };
  return [...nodes].map(said).join(",");
}

/** An unquoted value means the number it spells where an element has that, else the text. */
function spellings(values: readonly string[]): string[][] {
  return values.reduce<string[][]>(
    (sofar, value) => {
      const texts = value.startsWith('"') ? [JSON.stringify(unquoted(value))] : [value, JSON.stringify(value)];
      return sofar.flatMap((before) => texts.map((text) => [...before, text]));
    },
    [[]],
  );
}
