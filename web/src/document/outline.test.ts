import { describe, expect, it } from "vitest";

import { marks, noMarks } from "./marks";
import { indexOf, isMember, memberName } from "./nodes";
import { Outline, openedAtFirst } from "./outline";
import { pointer } from "./paths";
import { Places } from "./places";
import { scan } from "./scan";

const encoder = new TextEncoder();
const read = (value: unknown) => scan(encoder.encode(typeof value === "string" ? value : JSON.stringify(value)));

const doc = read({
  type: "list",
  meta: { count: 3, at: 12 },
  items: [
    { id: "a", n: 1 },
    { id: "c", n: 3 },
    { id: "d", n: 4 },
    { id: "e", n: 5, tags: ["x", "y"] },
  ],
});
const answer = read(
  '{"total":6,"rows":[' +
    '{"n":0,"op":"remove","field":"/items/*","record":"/items/[id=b]","label":"B","at":"","before":1,"old":{"id":"b"}},' +
    '{"n":1,"op":"move","field":"/items/*","record":"/items/[id=d]","label":"D","at":"","before":5,"after":2},' +
    '{"n":2,"op":"replace","field":"/items/*/n","record":"/items/[id=d]","label":"D","at":"n","before":5,"after":2,"old":3.99999999999999999999,"new":4},' +
    '{"n":3,"op":"add","field":"/items/*","record":"/items/[id=e]","at":"","after":3,"new":{"id":"e"}},' +
    '{"n":4,"op":"replace","field":"/meta/count","record":"","at":"meta/count","old":4,"new":3,"text":[["=","a"],["+","b"]]},' +
    '{"n":5,"op":"remove","field":"/meta/gone","record":"","at":"meta/gone","old":true}]}',
);
const places = new Places(doc);
const found = marks(places, [answer]);

function names(outline: Outline): string[] {
  return outline.rows.map((row) => {
    if (row >= 0) return row === 0 ? "." : isMember(doc, row) ? memberName(doc, row) : String(indexOf(doc, row));
    const extra = outline.extra(row);
    return extra.kind === "ghost" ? `-${extra.ghost.name}` : `${extra.count} more`;
  });
}

describe("marks", () => {
  it("stand at the nodes that rows are about", () => {
    expect([...found.byNode].map(([node, row]) => [pointer(doc, node), row])).toEqual([
      ["/items/2/n", 2],
      ["/items/3", 3],
      ["/meta/count", 4],
    ]);
    expect([...found.moves].map(([node]) => pointer(doc, node))).toEqual(["/items/2"]);
    expect(found.total).toBe(6);
  });

  it("old values are as the answer wrote them", () => {
    expect(found.rows[2]?.old).toBe("3.99999999999999999999");
    expect(found.rows[4]?.text).toEqual([
      ["=", "a"],
      ["+", "b"],
    ]);
  });

  it("are counted in all that is around them", () => {
    expect(found.counts.get(0)).toEqual({ added: 1, removed: 2, changed: 2, moved: 1 });
    expect(found.counts.get(places.resolve("/meta"))).toEqual({ added: 0, removed: 1, changed: 1, moved: 0 });
    expect(found.counts.get(places.resolve("/items/2"))).toEqual({ added: 0, removed: 0, changed: 1, moved: 0 });
  });

  it("are grouped by record, the document itself last", () => {
    expect(found.groups.map((group) => [group.record, group.label, group.rows])).toEqual([
      ["/items/[id=b]", "B", [0]],
      ["/items/[id=d]", "D", [1, 2]],
      ["/items/[id=e]", null, [3]],
      [null, null, [4, 5]],
    ]);
  });

  it("what is gone stands where it stood", () => {
    expect(found.ghosts.map((ghost) => [ghost.name, ghost.before])).toEqual([
      ["[id=b]", places.resolve("/items/1")],
      ["gone", doc.next[places.resolve("/meta")]],
    ]);
  });
});

describe("outline", () => {
  it("opens what changed", () => {
    const outline = new Outline(doc, found, openedAtFirst(doc, found), false);
    expect(names(outline)).toEqual([
      ".",
      "type",
      "meta",
      "count",
      "at",
      "-gone",
      "items",
      "0",
      "-[id=b]",
      "1",
      "2",
      "id",
      "n",
      "3",
    ]);
  });

  it("folds and counts what did not", () => {
    const outline = new Outline(doc, found, openedAtFirst(doc, found), true);
    expect(names(outline)).toEqual([
      ".",
      "1 more",
      "meta",
      "count",
      "1 more",
      "-gone",
      "items",
      "1 more",
      "-[id=b]",
      "1 more",
      "2",
      "1 more",
      "n",
      "3",
    ]);
    outline.unfold(outline.rows[7] as number);
    expect(names(outline).slice(6, 9)).toEqual(["items", "0", "-[id=b]"]);
    outline.toggle(places.resolve("/items/3"));
    expect(names(outline).slice(-4)).toEqual(["3", "id", "n", "tags"]);
  });

  it("toggles a branch in place, as if it were made anew", () => {
    const outline = new Outline(doc, found, openedAtFirst(doc, found), false);
    const before = names(outline);
    for (const path of ["/items", "/meta", "/items/2", ""]) {
      const node = places.resolve(path);
      outline.toggle(node);
      const folded = names(outline);
      outline.rebuild();
      expect(names(outline)).toEqual(folded);
      outline.toggle(node);
    }
    expect(names(outline)).toEqual(before);
  });

  it.each([false, true])("reveals any node (only changed ones: %s)", (onlyChanged) => {
    for (let node = 0; node < doc.count; node += 1) {
      const outline = new Outline(doc, found, new Set(), onlyChanged);
      const at = outline.reveal(node);
      expect(outline.rows[at]).toBe(node);
    }
  });

  it("without changes opens level by level, up to 40 rows", () => {
    const none = noMarks();
    expect(names(new Outline(doc, none, openedAtFirst(doc, none), false))).toContain("tags");
    const long = read({ a: { b: 1 }, list: Array.from({ length: 100 }, (_, i) => i) });
    expect(openedAtFirst(long, none)).toEqual(new Set([0, 1]));
  });
});
