import { describe, expect, it } from "vitest";
import { idOf, linesOf, pathOf, type Row } from "./lines.ts";

const A = "/features/[code=a]";
const B = "/features/[code=b]";
let n = 0;
const row = (op: Row["op"], record: string, at: string): Row => ({
  n: n++,
  op,
  field: at,
  record,
  at,
});
const shown = (rows: Row[], folded: string[] = [], previous?: Row) =>
  linesOf({ rows, previous }, { folded: new Set(folded), opened: new Map(), all: false }).map(
    (line) => `${line.kind} ${line.row.record || "document"} ${line.kind === "head" ? line.count : line.row.at}`,
  );

describe("linesOf", () => {
  it.each<[string, Row[], string[], Row | undefined, string[]]>([
    [
      "the document's own changes have a head",
      [row("replace", "", "/count")],
      [],
      undefined,
      ["head document 1", "change document /count"],
    ],
    [
      "what did not change counts nowhere",
      [row("same", "", "/type"), row("replace", "", "/count"), row("same", A, "")],
      [],
      undefined,
      ["head document 1", "change document /type", "change document /count", `whole ${A} `],
    ],
    [
      "each record once",
      [row("replace", A, "mag"), row("replace", A, "place"), row("add", B, "")],
      [],
      undefined,
      [`head ${A} 2`, `change ${A} mag`, `change ${A} place`, `whole ${B} `],
    ],
    [
      "one that moved and changed is one group",
      [row("move", A, ""), row("replace", A, "mag")],
      [],
      undefined,
      [`head ${A} 1`, `change ${A} mag`],
    ],
    ["one that only moved is a head", [row("move", A, "")], [], undefined, [`head ${A} 0`]],
    [
      "one that began in the window before goes on",
      [row("replace", A, "mag")],
      [],
      row("replace", A, "x"),
      [`change ${A} mag`],
    ],
    [
      "a folded one is its head",
      [row("replace", A, "mag"), row("replace", B, "mag")],
      [A],
      undefined,
      [`head ${A} 1`, `head ${B} 1`, `change ${B} mag`],
    ],
    [
      "a move inside a record is a change of it",
      [row("move", A, "tags/0")],
      [],
      undefined,
      [`head ${A} 1`, `change ${A} tags/0`],
    ],
  ])("%s", (_, rows, folded, previous, expected) => {
    expect(shown(rows, folded, previous)).toEqual(expected);
  });

  it("shows the values of an opened record, and that there are more", () => {
    const gone = row("remove", A, "");
    const leaves = [{ path: "mag", text: "6.10" }];
    const kinds = (complete: boolean) =>
      linesOf(
        { rows: [gone], previous: undefined },
        { folded: new Set(), opened: new Map([[`whole ${A}`, { leaves, complete }]]), all: false },
      ).map((line) => line.kind);
    expect(kinds(true)).toEqual(["whole", "value"]);
    expect(kinds(false)).toEqual(["whole", "value", "more"]);
  });
});

it("has what did not change under each head, where it is wanted", () => {
  const rows = [row("replace", "", "/count"), row("replace", A, "mag"), row("add", B, "")];
  const of = (opened: Parameters<typeof linesOf>[1]["opened"]) =>
    linesOf({ rows, previous: undefined }, { folded: new Set(), opened, all: true }).map((line) => line.kind);
  expect(of(new Map())).toEqual(["head", "change", "head", "rest", "change", "whole"]);
  const inside = { leaves: [{ path: "time", text: "1" }], complete: true };
  expect(of(new Map([[`rest ${A}`, inside]]))).toEqual(["head", "change", "head", "rest", "value", "change", "whole"]);
});

it.each([
  [{ record: "/features/[properties/code=7000q0bb]", key: { "properties/code": "7000q0bb" } }, "7000q0bb"],
  [{ record: "/counties/[FIPS=6,County=Alpine]", key: { FIPS: 6, County: "Alpine" } }, "6, Alpine"],
  [{ record: "/rates/EUR~1USD" }, "EUR/USD"],
  [{ record: "/features/[url=x]", key: { url: "https://example.org/events/us7000q0bm" } }, "us7000q0bm"],
  [{ record: "/items/3" }, "3"],
])("%j is known as %s", (row, id) => {
  expect(idOf(row)).toBe(id);
});

it.each([
  ["", "count", "/count"],
  ["", "/count", "/count"],
  [A, "mag", `${A}/mag`],
  [A, "", A],
])("the path of %j and %j", (record, at, path) => {
  expect(pathOf(row("replace", record, at))).toBe(path);
});
