/** What a document has where: the members of its maps and records, all records of a list taken together. */

import { children, isContainer, memberName } from "../document/nodes.ts";
import { Kind, type Scan } from "../document/scan.ts";

export type Shape =
  | { kind: "value" }
  | { kind: "map"; members: ReadonlyMap<string, Shape> }
  /** `each` is the shape of its records; null where the elements are no maps, or not all of them. */
  | { kind: "list"; each: (Shape & { kind: "map" }) | null };

/** The steps of a place: names, and `EACH` for all elements of a list. */
export type Place = readonly string[];
export const EACH = "*";

const VALUE: Shape = { kind: "value" };
const DEEPEST = 32;
/** So many records tell what a record has. */
const MOST_RECORDS = 2000;

export function shapeOf(doc: Scan, node = 0): Shape {
  return joined([node], doc, 0);
}

/** Of nodes at the same place: all maps, or all lists, or else a value that is taken as it is. */
function joined(nodes: readonly number[], doc: Scan, depth: number): Shape {
  const kind = doc.kind[nodes[0] as number];
  if (depth > DEEPEST || nodes.some((node) => doc.kind[node] !== kind || !isContainer(doc, node))) return VALUE;
  if (kind === Kind.Map) return mapOf(nodes, doc, depth);
  const elements = nodes.flatMap((node) => [...children(doc, node)]).slice(0, MOST_RECORDS);
  const areRecords = elements.length > 0 && elements.every((element) => doc.kind[element] === Kind.Map);
  return { kind: "list", each: areRecords ? mapOf(elements, doc, depth + 1) : null };
}

function mapOf(nodes: readonly number[], doc: Scan, depth: number): Shape & { kind: "map" } {
  const found = new Map<string, number[]>();
  for (const node of nodes) {
    for (const child of children(doc, node)) {
      const name = memberName(doc, child);
      const there = found.get(name);
      if (there) there.push(child);
      else found.set(name, [child]);
    }
  }
  const members = new Map<string, Shape>();
  for (const [name, there] of found) {
    const known = there.filter((child) => doc.kind[child] !== Kind.Null);
    members.set(name, known.length === 0 ? VALUE : joined(known, doc, depth + 1));
  }
  return { kind: "map", members };
}

/** The shape at a place; null where the document has none there. */
export function shapeAt(shape: Shape, place: Place): Shape | null {
  let at: Shape = shape;
  for (const step of place) {
    const below: Shape | null | undefined =
      at.kind === "map" ? at.members.get(step) : at.kind === "list" && step === EACH ? at.each : null;
    if (!below) return null;
    at = below;
  }
  return at;
}
