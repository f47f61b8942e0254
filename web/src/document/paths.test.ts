import { describe, expect, it } from "vitest";

import { type Keys, keyPath, pattern, pointer } from "./paths";
import { Places } from "./places";
import { scan } from "./scan";

const doc = scan(
  new TextEncoder().encode(
    '{"a/b":{"~":1},"features":[{"id":"x1","p":{"code":7}},{"id":"a, b","p":{"code":"7"}},{"id":""},{"id":"12"},{"id":null}],' +
      '"[id=1]":"name","t\\u00e9":[],"":0,"links":[{"href":"/~ann","w":1.50}]}',
  ),
);
const places = new Places(doc);
const keys: Keys = new Map([
  ["/features", ["id"]],
  ["/links", ["href"]],
]);

describe("paths", () => {
  it("leads from each node to its pointer and key path, and back", () => {
    for (let node = 0; node < doc.count; node += 1) {
      expect(places.resolve(pointer(doc, node)), pointer(doc, node)).toBe(node);
      expect(places.resolve(keyPath(doc, node, keys)), keyPath(doc, node, keys)).toBe(node);
    }
  });

  it.each([
    ["/features/0/p/code", "/features/[id=x1]/p/code"],
    ["/features/1/id", '/features/[id="a, b"]/id'],
    ["/features/2/id", "/features/[id=]/id"],
    ["/features/3/id", '/features/[id="12"]/id'],
    ["/features/4/id", "/features/4/id"],
    ["/a~1b/~0", "/a~1b/~0"],
    ["/links/0/w", "/links/[href=/~ann]/w"],
    ["/té", "/té"],
    ["/", "/"],
    ["", ""],
  ])("%s is %s by key", (plain, keyed) => {
    expect(keyPath(doc, places.resolve(plain), keys)).toBe(keyed);
  });

  it.each([
    ["/features/id=x1", 0],
    ["/features/[p/code=7]", 0],
    ['/features/[p/code="7"]', 1],
    ["/features/[id=x1,p/code=7]", 0],
    ["/features/p~1code=7", 0],
  ])("%s is element %i", (path, index) => {
    expect(pointer(doc, places.resolve(path))).toBe(`/features/${index}`);
  });

  it.each(["x", "/features/5", "/features/-1", "/features/01", "/features/[id=none]", "/nothing", "/a~1b/~0/deeper"])(
    "nothing is at %s",
    (path) => {
      expect(places.resolve(path)).toBe(-1);
    },
  );

  it("has a pattern for each node", () => {
    expect(pattern(doc, places.resolve("/features/1/p/code"))).toBe("/features/*/p/code");
  });
});
