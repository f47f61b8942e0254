import { describe, expect, it } from "vitest";
import type { SchemaField } from "./data.ts";
import { named, open, said, typeText, valueText } from "./words.ts";

const FIELD: SchemaField = {
  path: "",
  types: ["object"],
  optional: false,
  nullable: false,
  is_map: false,
  format: null,
  values: null,
  examples: [],
  minimum: null,
  maximum: null,
  changed_at: null,
};

describe("a schema in words", () => {
  it.each([
    ["", 0, "the document"],
    ["/items", 1, "items"],
    ["/items/*", 2, "each"],
    ["/a~1b/c~0", 2, "c~"],
    ["/", 1, '""'],
  ])("names %j", (path, depth, name) => expect(named(path)).toEqual({ depth, name }));

  it("says types", () => {
    expect(typeText({ ...FIELD, types: ["string"], format: "date-time", nullable: true })).toBe(
      "string or null, date-time",
    );
    expect(typeText({ ...FIELD, is_map: true })).toBe("map");
    expect(typeText({ ...FIELD, types: [] })).toBe("nothing yet");
  });

  it("says values", () => {
    expect(valueText({ ...FIELD, minimum: 1, maximum: 2 })).toBe("1 to 2");
    expect(valueText({ ...FIELD, minimum: 2, maximum: 2 })).toBe("2");
    expect(valueText({ ...FIELD, values: ["a", "b"] })).toBe("one of a, b");
    expect(valueText({ ...FIELD, examples: ["x"] })).toBe("x");
    expect(valueText(FIELD)).toBe("");
  });

  it("says changes", () => {
    expect(said({ path: "/a", what: "added", level: "compatible", now: "string" })).toBe("is new: string");
    expect(said({ path: "/a", what: "nullable", level: "breaking", now: null })).toBe("may be null");
    expect(said({ path: "/a", what: "format", level: "breaking", now: null })).toBe("lost its format");
  });

  it("leaves out what is in a closed place", () => {
    const fields = ["", "/a", "/a/b", "/ab"].map((path) => ({ ...FIELD, path }));
    expect(open(fields, new Set(["/a"])).map(({ path }) => path)).toEqual(["", "/a", "/ab"]);
    expect(open(fields, new Set([""])).map(({ path }) => path)).toEqual([""]);
  });
});
