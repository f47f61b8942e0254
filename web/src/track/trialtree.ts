/** A document that is tried, as the tree has it: what is open at first, which field names a record, what a row stands for. */

import { children, indexOf, isContainer, isMember, lineage, memberName, rawText } from "../document/nodes.ts";
import { type Opened, opened } from "../document/opened.ts";
import { escapeName, fieldOf } from "../document/paths.ts";
import { Kind, type Scan } from "../document/scan.ts";
import { TreeModel } from "../document/treemodel.ts";
import type { Condition } from "./keep.ts";
import { EACH, type Place, type Shape } from "./shape.ts";

const LABELS = ["title", "name", "label", "displayName", "headline", "place", "summary"];
/** Of a first record as much is opened as is seen at once. */
const MOST_OPENED = 60;

export function treeOf(doc: Scan, shape: Shape, keys: Readonly<Record<string, readonly string[]>>): TreeModel {
  const model = new TreeModel();
  const made: Opened = opened("trial", doc);
  model.set({ ...made, keys: new Map(Object.entries(keys)), labels: labelsOf(shape) });
  openRecord(model, doc);
  return model;
}

/** The first record of the first list that has any: it stands for all of them. */
function openRecord(model: TreeModel, doc: Scan): void {
  const record = firstRecord(doc);
  if (record < 0) return;
  const end = Math.min(doc.next[record] as number, record + MOST_OPENED);
  for (let node = record; node < end; node += 1) {
    if (doc.kind[node] === Kind.Map && doc.size[node] !== 0) model.reveal(node + 1);
  }
  model.go(0);
}

function firstRecord(doc: Scan): number {
  for (let node = 0; node < Math.min(doc.count, 2000); node += 1) {
    if (doc.kind[node] === Kind.List && doc.size[node] !== 0 && doc.kind[node + 1] === Kind.Map) return node + 1;
  }
  return -1;
}

/** The field that names the records of each list, by the list's pattern. */
function labelsOf(shape: Shape, pattern = "", found = new Map<string, string>()): Map<string, string> {
  if (shape.kind === "list" && shape.each !== null) {
    const label = labelIn(shape.each);
    if (label !== null) found.set(pattern, label);
    labelsOf(shape.each, `${pattern}/${EACH}`, found);
  } else if (shape.kind === "map") {
    for (const [name, below] of shape.members) labelsOf(below, `${pattern}/${escapeName(name)}`, found);
  }
  return found;
}

function labelIn(record: Shape & { kind: "map" }): string | null {
  const here = LABELS.find((name) => record.members.get(name)?.kind === "value");
  if (here !== undefined) return here;
  for (const [name, below] of record.members) {
    const there = below.kind === "map" ? LABELS.find((label) => below.members.get(label)?.kind === "value") : undefined;
    if (there !== undefined) return `${escapeName(name)}/${there}`;
  }
  return null;
}

/** What a row stands for: every element of a list is the same to it. */
export function placeOf(doc: Scan, node: number): Place {
  return lineage(doc, node)
    .slice(1)
    .map((at) => (isMember(doc, at) ? memberName(doc, at) : EACH));
}

/** Whether the conditions of its list let a record in; all of them, where there are none. */
export function isLetIn(doc: Scan, record: number, where: readonly Condition[]): boolean {
  return where.every(({ field, operator, value }) => {
    const at = fieldOf(doc, record, field.map(escapeName).join("/"));
    if (at < 0) return operator === "==" && value === "null";
    const own = rawText(doc, at);
    if (operator === "==") return sameValue(own, value);
    const [a, b] = [Number(own), Number(value)];
    return doc.kind[at] === Kind.Number && (operator === ">=" ? a >= b : a <= b);
  });
}

function sameValue(a: string, b: string): boolean {
  try {
    return a === b || (!/^[[{]/.test(a) && JSON.parse(a) === JSON.parse(b));
  } catch {
    return false; // a condition that is being typed
  }
}

/** How many records of a list are let in, and of how many. */
export function letIn(doc: Scan, list: number, where: readonly Condition[]): { of: number; kept: number } {
  const records = [...children(doc, list)];
  return { of: records.length, kept: records.filter((record) => isLetIn(doc, record, where)).length };
}

/** The node at a place, of the first record of each list; -1 for none. */
export function nodeAt(doc: Scan, place: Place): number {
  let at = 0;
  for (const step of place) {
    const below = [...children(doc, at)].find((child) =>
      step === EACH && !isMember(doc, child)
        ? indexOf(doc, child) === 0
        : isMember(doc, child) && memberName(doc, child) === step,
    );
    if (below === undefined) return -1;
    at = below;
  }
  return at;
}

/** Values that a condition may compare with. */
export function isComparable(doc: Scan, node: number): boolean {
  return !isContainer(doc, node) && (doc.end[node] as number) - (doc.start[node] as number) <= 200;
}
