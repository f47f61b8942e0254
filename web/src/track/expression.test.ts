import { expect, test } from "vitest";
import { scan } from "../document/scan.ts";
import { nameAt, read, written } from "./expression.ts";
import { conditionsAt, inRecord, type Keep, keptAt, toggled, withConditions } from "./keep.ts";
import { EACH, shapeOf } from "./shape.ts";

const SOURCE = {
  type: "list",
  metadata: { count: 2, generated: 1 },
  features: [
    { id: "a", properties: { mag: 4.9, place: "Chuuk", "odd name": 1 }, at: [1, 2] },
    { id: "b", properties: { mag: 4.1, time: 3 }, at: [1, 2] },
  ],
  mixed: [1, { a: 2 }],
};
const SHAPE = shapeOf(scan(new TextEncoder().encode(JSON.stringify(SOURCE))));
const MAG = ["features", EACH, "properties", "mag"];

function kept(...places: string[][]): Keep | undefined {
  return places.reduce<Keep | undefined>((keep, place) => toggled(keep, SHAPE, place), undefined);
}

function one(text: string | null): string | null {
  return text === null ? null : text.replace(/\s+/g, " ");
}

test.each<[string[][], string | null]>([
  [[["metadata", "count"]], "{ count: metadata.count }"],
  [[["metadata", "count"], ["metadata"]], "{ metadata: metadata }"],
  [[MAG], "{ features: features[*].{ mag: properties.mag } }"],
  [
    [MAG, ["features", EACH, "properties", "odd name"]],
    '{ features: features[*].{ mag: properties.mag, "odd name": properties."odd name" } }',
  ],
  [[["features", EACH]], "{ features: features }"],
  [
    [["type"], ["features", EACH, "id"], ["metadata"]],
    "{ type: type, metadata: metadata, features: features[*].{ id: id } }",
  ],
  [[["type"], ["metadata"], ["features"], ["mixed"]], null],
  // what has no records is kept as it is
  [[["mixed", EACH, "a"], ["type"]], "{ type: type }"],
])("%j is written", (places, text) => {
  const keep = kept(...places) as Keep;
  expect(one(written(keep))).toBe(text);
  if (text !== null) expect(read(text, SHAPE)).toEqual(keep);
});

test("dropping one keeps the others", () => {
  const keep = toggled("all", SHAPE, ["metadata", "generated"]);
  expect(one(written(keep as Keep))).toBe("{ type: type, count: metadata.count, features: features, mixed: mixed }");
  expect([["metadata"], ["type"], MAG, ["metadata", "generated"]].map((place) => keptAt(keep, place))).toEqual([
    "some",
    "all",
    "all",
    "none",
  ]);
  expect(toggled(keep, SHAPE, ["metadata", "generated"])).toBe("all");
  expect(kept(["type"], ["type"])).toBeUndefined();
});

test("records are kept where they are so", () => {
  const strong = { field: ["properties", "mag"], operator: ">=", value: "4.5" } as const;
  const all = withConditions("all", SHAPE, ["features"], [strong]);
  expect(one(written(all as Keep))).toContain("features: features[?properties.mag >= `4.5`]");
  const some = withConditions(
    kept(MAG),
    SHAPE,
    ["features"],
    [strong, { field: ["id"], operator: "==", value: '"a`b"' }],
  );
  const text = '{ features: features[?properties.mag >= `4.5` && id == `"a\\`b"`].{ mag: properties.mag } }';
  expect(one(written(some as Keep))).toBe(text);
  expect(read(text, SHAPE)).toEqual(some);
  expect(conditionsAt(some, ["features"])).toHaveLength(2);
  expect(withConditions(all, SHAPE, ["features"], [])).toBe("all");
  expect(withConditions("all", SHAPE, ["mixed"], [strong])).toBe("all");
  expect(inRecord(MAG)).toEqual({ list: ["features"], field: ["properties", "mag"] });
  expect(inRecord(["type"])).toBeNull();
});

test("names that two places would have are told apart", () => {
  const shape = shapeOf(scan(new TextEncoder().encode('{"a": {"n": 1, "x": 0}, "b": {"n": 2, "x": 0}, "a_n": 3}')));
  const keep = ["n a", "n b", "a_n"].reduce<Keep | undefined>(
    (at, name) => toggled(at, shape, name.split(" ").reverse()),
    undefined,
  );
  expect(one(written(keep as Keep))).toBe("{ n: a.n, b_n: b.n, a_n: a_n }");
  expect(nameAt(keep as Keep, ["b", "n"])).toBe("b_n");
  expect(nameAt(keep as Keep, ["b"])).toBeNull();
  const nameless = shapeOf(scan(new TextEncoder().encode('[{"": 1, "a": 2}]')));
  const first = toggled(undefined, nameless, [EACH, ""]) as Keep;
  expect([[EACH, ""], [EACH], []].map((place) => nameAt(first, place))).toEqual(["", null, null]);
});

test("a list as the whole document", () => {
  const shape = shapeOf(scan(new TextEncoder().encode('[{"n": 1, "m": 2}]')));
  const keep = toggled(undefined, shape, [EACH, "n"]) as Keep;
  expect(one(written(keep))).toBe("[*].{ n: n }");
  expect(read("[*].{n: n}", shape)).toEqual(keep);
  expect(toggled(keep, shape, [EACH, "m"])).toBe("all");
  expect(read("@", shape)).toBe("all");
});

test.each([
  "features[*].id",
  "{f: features}",
  "{ type: type",
  "{ type: type } x",
  "{ type: nothing }",
  "{ type: type, type: type }",
  "{ metadata: metadata.{ count: count } }",
  "{ mixed: mixed[*].{ a: a } }",
  "{ features: features[?id == 'a'] }",
  "{ features: features[?length(id) > `1`] }",
  "length(features)",
  "{ count: metadata.count, type: type }",
  '{ type: "unclosed }',
  "",
])("the boxes cannot show %s", (text) => expect(read(text, SHAPE)).toBeNull());
