import { expect, test } from "vitest";
import { scan } from "../document/scan.ts";
import type { Condition, Keep, Operator } from "./keep.ts";
import { noiseOf, noiseText, patternOf } from "./noise.ts";
import { EACH, shapeAt, shapeOf } from "./shape.ts";
import { isLetIn, letIn, nodeAt, placeOf, treeOf } from "./trialtree.ts";
import type { Tried } from "./useTrial.ts";

function docOf(value: unknown) {
  return scan(new TextEncoder().encode(JSON.stringify(value)));
}

const DOC = docOf({ at: 1, rows: [{ id: "a", p: { n: 4.5, title: "A" } }, { id: "b", p: { n: 3 } }, { id: "c" }] });
const N = nodeAt(DOC, ["rows", EACH, "p", "n"]);

test("a place is the same in all records", () => {
  expect(placeOf(DOC, N)).toEqual(["rows", EACH, "p", "n"]);
  expect(patternOf(["a/b", EACH, "c~d"])).toBe("/a~1b/*/c~0d");
  expect(nodeAt(DOC, ["rows", EACH, "none"])).toBe(-1);
  expect(shapeAt(shapeOf(DOC), ["rows", EACH, "p", "title"])).toEqual({ kind: "value" });
  expect(shapeAt(shapeOf(DOC), ["rows", "p"])).toBeNull();
});

test.each<[string, Operator, string, number]>([
  ["p/n", ">=", "4.5", 1],
  ["p/n", "<=", "4.5", 2],
  ["p/n", "==", "3.0", 1],
  ["p/n", "==", "null", 1],
  ["id", "==", '"b"', 1],
  ["id", ">=", '"b"', 0],
  ["id", "==", '"b', 0],
])("records where %s %s %s", (field, operator, value, kept) => {
  const where: Condition[] = [{ field: field.split("/"), operator, value }];
  expect(letIn(DOC, nodeAt(DOC, ["rows"]), where)).toEqual({ of: 3, kept });
});

test("without conditions all are let in", () => expect(isLetIn(DOC, nodeAt(DOC, ["rows", EACH]), [])).toBe(true));

test("the first record is open, and records are known by their titles", () => {
  const model = treeOf(DOC, shapeOf(DOC), { "/rows": ["id"] });
  expect(model.outline.peek()?.rows).toContain(N);
  expect(model.opened.peek()?.labels.get("/rows")).toBe("p/title");
});

function tried(fields: [pattern: string, differs: number, of: number][]): Tried {
  const all = fields.map(([pattern, differs, of]) => ({ pattern, differs, of, bytes: 1, noise: differs > 0 }));
  return { fields: all } as unknown as Tried;
}

test("noise is of what is kept, and what is left out is said", () => {
  const source = tried([
    ["/at", 1, 1],
    ["/rows/*/p/n", 2, 3],
    ["/rows/*/id", 0, 3],
  ]);
  const all = noiseOf(source, source, null, "all");
  expect(all.map(({ text, isOut }) => [text, isOut])).toEqual([
    ["new each time", false],
    ["in 2 of 3", false],
  ]);
  const keep: Keep = { kind: "map", members: new Map([["at", "all" as const]]) };
  expect(noiseOf(source, tried([["/at", 1, 1]]), "{ at: at }", keep)).toEqual([
    { pattern: "/at", text: "new each time", isOut: false },
    { pattern: "/rows/*/p/n", text: "", isOut: true },
  ]);
  expect(noiseOf(source, null, "[", null)).toEqual([]);
  expect(noiseText(source.fields[2], true)).toEqual({ text: "the key", isNoise: false });
  expect(noiseText(undefined, false)).toEqual({ text: "", isNoise: false });
});
