/**
 * Paths of nodes: JSON Pointers (RFC 6901), and key paths as the API writes them, `/features/[properties/code=x]/mag`.
 * The rules of a step by key are those of docs/deltas.md, "Paths".
 */

import { indexOf, isMember, lineage, member, memberName, rawText, type Sought, sought, unquoted } from "./nodes";
import { Kind, type Scan } from "./scan";

/** The key fields of lists, by the pattern of the list: `/features` -> `["properties/url"]`. */
export type Keys = ReadonlyMap<string, readonly string[]>;

const SCALAR = /^(?:-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?|true|false|null)$/;
const PLAIN = /^[^\]",\s][^\],]*$/;
const FIELD = '[^\\[\\]=,"\\\\]+';
const VALUE = '"(?:[^"\\\\]|\\\\[^])*"|[^\\]",][^\\],]*|';
const KEYED = new RegExp(`^\\[${FIELD}=(?:${VALUE})(?:,${FIELD}=(?:${VALUE}))*\\](?=/|$)`);
const PART = new RegExp(`(${FIELD})=(${VALUE})`, "g");

export interface KeyStep {
  fields: string[];
  /** With its quotes where it was quoted: a quoted value means the text only. */
  values: string[];
}
export interface Step {
  name: string;
  by: KeyStep | null;
  /** Where its slash stands in the path. */
  slash: number;
}

export function escapeName(name: string): string {
  return name.replaceAll("~", "~0").replaceAll("/", "~1");
}

function unescapeName(step: string): string {
  return step.replaceAll("~1", "/").replaceAll("~0", "~");
}

export function pointer(doc: Scan, node: number): string {
  return lineage(doc, node)
    .slice(1)
    .map((at) => `/${isMember(doc, at) ? escapeName(memberName(doc, at)) : indexOf(doc, at)}`)
    .join("");
}

/** The pattern of a node: `*` for each element. */
export function pattern(doc: Scan, node: number): string {
  return lineage(doc, node)
    .slice(1)
    .map((at) => `/${isMember(doc, at) ? escapeName(memberName(doc, at)) : "*"}`)
    .join("");
}

/** The key path: elements by key where their list has one and they have a scalar for each of its fields. */
export function keyPath(doc: Scan, node: number, keys: Keys): string {
  let path = "";
  let below = "";
  for (const at of lineage(doc, node).slice(1)) {
    if (isMember(doc, at)) {
      const step = `/${escapeName(memberName(doc, at))}`;
      path += step;
      below += step;
    } else {
      const fields = keys.get(below);
      path += `/${(fields && keyStep(doc, at, fields)) ?? indexOf(doc, at)}`;
      below += "/*";
    }
  }
  return path;
}

export function keyStep(doc: Scan, element: number, fields: readonly string[]): string | null {
  const parts: string[] = [];
  for (const field of fields) {
    const at = fieldOf(doc, element, field);
    const kind = at < 0 ? Kind.Null : (doc.kind[at] as Kind);
    if (kind === Kind.Null || kind >= Kind.List) return null;
    const text = rawText(doc, at);
    parts.push(`${field}=${kind === Kind.Text ? keyValue(text) : text}`);
  }
  return `[${parts.join(",")}]`;
}

function keyValue(quoted: string): string {
  const value = unquoted(quoted);
  return value === "" || (PLAIN.test(value) && !SCALAR.test(value)) ? value : JSON.stringify(value);
}

/** The node at a field of an element (`id`, `properties/code`), -1 where it is absent. */
export function fieldOf(doc: Scan, element: number, field: string): number {
  return fieldAt(doc, element, soughtField(field));
}

/** A field as many elements are asked for it. */
export function soughtField(field: string): Sought[] {
  return field.split("/").map((name) => sought(unescapeName(name)));
}

export function fieldAt(doc: Scan, element: number, field: readonly Sought[]): number {
  let at = element;
  for (const name of field) {
    if (doc.kind[at] !== Kind.Map) return -1;
    at = member(doc, at, name);
    if (at < 0) return -1;
  }
  return at;
}

/** The steps of a pointer or key path; null where it is none. */
export function steps(path: string): Step[] | null {
  if (path === "") return [];
  if (!path.startsWith("/")) return null;
  const found: Step[] = [];
  for (let at = 0; at < path.length; ) {
    const rest = path.slice(at + 1);
    const keyed = KEYED.exec(rest);
    const text = keyed ? keyed[0] : (rest.split("/", 1)[0] as string);
    const name = keyed ? text : unescapeName(text);
    found.push({ name, by: keyed ? keyStepOf(text) : bare(name), slash: at });
    at += 1 + text.length;
  }
  return found;
}

function bare(text: string): KeyStep | null {
  return text.includes("=") && KEYED.test(`[${text}]`) ? keyStepOf(`[${text}]`) : null;
}

function keyStepOf(text: string): KeyStep {
  const parts = [...text.slice(1, -1).matchAll(PART)];
  return { fields: parts.map((part) => part[1] as string), values: parts.map((part) => part[2] as string) };
}

/** A path without its last step, and that step's name. */
export function parted(path: string): { above: string; name: string } {
  const last = steps(path)?.at(-1);
  return last ? { above: path.slice(0, last.slash), name: last.name } : { above: "", name: "" };
}
