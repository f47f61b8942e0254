/**
 * What is kept as JMESPath, and back: clicks write expressions, and edited text ticks the boxes where it is one that
 * clicks could have written.
 *
 * What is kept gets the name of its last step, or more of them where two would have the same.
 */

import type { Condition, Keep, Operator } from "./keep.ts";
import { EACH, type Shape } from "./shape.ts";

const BARE = /^[A-Za-z_][A-Za-z0-9_]*$/;

/** The expression, with a line a member; null where all is kept, which needs none. */
export function written(keep: Keep): string | null {
  return keep === "all" ? null : whole(keep, "");
}

function whole(keep: Exclude<Keep, "all">, indent: string): string {
  return keep.kind === "map" ? hash(keep, indent) : projection(keep, indent);
}

function hash(keep: Keep, indent: string): string {
  const members = named(leaves(keep, []));
  const inner = `${indent}  `;
  const lines = members.map(([name, { path, kept }]) => `${inner}${quoted(name)}: ${pathOf(path)}${rest(kept, inner)}`);
  return `{\n${lines.join(",\n")}\n${indent}}`;
}

function rest(kept: Keep, indent: string): string {
  return kept === "all" ? "" : projection(kept as Extract<Keep, { kind: "list" }>, indent);
}

function projection({ each, where }: Extract<Keep, { kind: "list" }>, indent: string): string {
  const filter = where.length === 0 ? "[*]" : `[?${where.map(conditionText).join(" && ")}]`;
  return each === "all" ? filter : `${filter}.${hash(each, indent)}`;
}

function conditionText({ field, operator, value }: Condition): string {
  return `${pathOf(field)} ${operator} \`${value.replaceAll("`", "\\`")}\``;
}

interface Leaf {
  path: readonly string[];
  kept: Keep;
}

/** What a hash has a member for: all that is kept whole, and lists. */
function leaves(keep: Keep, path: readonly string[]): Leaf[] {
  if (keep === "all" || keep.kind === "list") return [{ path, kept: keep }];
  return [...keep.members].flatMap(([name, kept]) => leaves(kept, [...path, name]));
}

function named(all: readonly Leaf[]): [name: string, leaf: Leaf][] {
  const taken = new Set<string>();
  return all.map((leaf) => {
    const { path } = leaf;
    for (let steps = 1; ; steps += 1) {
      const name = steps <= path.length ? path.slice(-steps).join("_") : `${path.join("_")}_${steps}`;
      if (taken.has(name)) continue;
      taken.add(name);
      return [name, leaf];
    }
  });
}

function pathOf(path: readonly string[]): string {
  return path.map(quoted).join(".");
}

function quoted(name: string): string {
  return BARE.test(name) ? name : JSON.stringify(name);
}

/** What an expression keeps of a document of that shape; null where it is not one that clicks can write. */
export function read(text: string, shape: Shape): Keep | null {
  const found = tokens(text);
  if (found === null) return null;
  try {
    const keep = new Reader(found).whole(shape);
    const again = written(keep);
    const same = again === null ? found.join(" ") === "@" : tokens(again)?.join(" ") === found.join(" ");
    return same ? keep : null;
  } catch (error) {
    if (error instanceof NotOurs) return null;
    throw error;
  }
}

/** Where the expression puts a kept place, for what is said of it: its name in its record or in the document. */
export function nameAt(keep: Keep, place: readonly string[]): string | null {
  const cut = place.lastIndexOf(EACH);
  if (cut === place.length - 1) return null; // an element, or the document
  let at: Keep | undefined = keep;
  for (const step of place.slice(0, cut + 1)) {
    if (typeof at !== "object") return null;
    at = at.kind === "list" ? at.each : at.members.get(step);
  }
  if (typeof at !== "object" || at.kind !== "map") return null;
  const sought = place.slice(cut + 1).join("\n");
  return named(leaves(at, [])).find(([, { path }]) => path.join("\n") === sought)?.[0] ?? null;
}

const TOKEN = /\s*("(?:[^"\\]|\\.)*"|`(?:[^`\\]|\\.)*`|[A-Za-z_][A-Za-z0-9_]*|\[\?|\[\*\]|==|>=|<=|&&|[{}[\]:,.@])/y;

function tokens(text: string): string[] | null {
  const found: string[] = [];
  const pattern = new RegExp(TOKEN);
  const end = text.trimEnd().length;
  while (pattern.lastIndex < end) {
    const token = pattern.exec(text);
    if (token === null) return null;
    found.push(token[1] as string);
  }
  return found;
}

class NotOurs extends Error {}

class Reader {
  private at = 0;

  constructor(private readonly tokens: readonly string[]) {}

  whole(shape: Shape): Keep {
    const keep = this.value(shape);
    if (this.at !== this.tokens.length) throw new NotOurs();
    return keep;
  }

  private value(shape: Shape): Keep {
    if (this.next("@")) return "all";
    if (this.peek() === "[*]" || this.peek() === "[?") return this.list(shape);
    return this.hash(shape);
  }

  private hash(shape: Shape): Keep {
    this.want("{");
    let keep: Tree = new Map();
    do {
      this.name();
      this.want(":");
      keep = this.member(keep, shape);
    } while (this.next(","));
    this.want("}");
    return mapOf(keep, shape);
  }

  private member(keep: Tree, shape: Shape): Tree {
    let [at, below] = [keep, shape];
    for (;;) {
      const name = this.name();
      if (below.kind !== "map") throw new NotOurs();
      const under = below.members.get(name);
      if (under === undefined) throw new NotOurs();
      if (this.next(".")) {
        const there = at.get(name) ?? (new Map() as Tree);
        if (!(there instanceof Map)) throw new NotOurs();
        at.set(name, there);
        [at, below] = [there, under];
        continue;
      }
      if (at.has(name)) throw new NotOurs();
      const isList = this.peek() === "[*]" || this.peek() === "[?";
      at.set(name, isList ? this.list(under) : "all");
      return keep;
    }
  }

  private list(shape: Shape): Keep {
    if (shape.kind !== "list" || shape.each === null) throw new NotOurs();
    const where: Condition[] = [];
    if (!this.next("[*]")) {
      this.want("[?");
      do where.push(this.condition());
      while (this.next("&&"));
      this.want("]");
    }
    const each = this.next(".") ? this.hash(shape.each) : "all";
    return { kind: "list", each, where };
  }

  private condition(): Condition {
    const field = [this.name()];
    while (this.next(".")) field.push(this.name());
    const operator = this.take() as Operator;
    if (!["==", ">=", "<="].includes(operator)) throw new NotOurs();
    const literal = this.take();
    if (!literal.startsWith("`")) throw new NotOurs();
    return { field, operator, value: literal.slice(1, -1).replaceAll("\\`", "`") };
  }

  private name(): string {
    const token = this.take();
    if (token.startsWith('"')) return unquoted(token);
    if (!BARE.test(token)) throw new NotOurs();
    return token;
  }

  private peek(): string | undefined {
    return this.tokens[this.at];
  }

  private take(): string {
    const token = this.tokens[this.at];
    if (token === undefined) throw new NotOurs();
    this.at += 1;
    return token;
  }

  private next(token: string): boolean {
    if (this.peek() !== token) return false;
    this.at += 1;
    return true;
  }

  private want(token: string): void {
    if (!this.next(token)) throw new NotOurs();
  }
}

type Tree = Map<string, Tree | Keep>;

function unquoted(token: string): string {
  try {
    return JSON.parse(token) as string;
  } catch {
    throw new NotOurs();
  }
}

/** In the order of the document, as clicks have it. */
function mapOf(tree: Tree, shape: Shape): Keep {
  if (shape.kind !== "map") throw new NotOurs();
  const members = new Map<string, Keep>();
  for (const [name, below] of shape.members) {
    const there = tree.get(name);
    if (there !== undefined) members.set(name, there instanceof Map ? mapOf(there, below) : there);
  }
  return { kind: "map", members };
}
