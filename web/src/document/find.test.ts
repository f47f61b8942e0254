import { describe, expect, it } from "vitest";

import { find } from "./find";
import { rawText } from "./nodes";
import { scan } from "./scan";

const doc = scan(
  new TextEncoder().encode(
    '{"Place":"61 km NNE of Elo\\u00fanda","note":"a\\nb \\"quoted\\"","n":12.50,"ok":true,"list":["ELOÚNDA","kmkm",{"km":null}]}',
  ),
);

describe("find", () => {
  it.each([
    ["place", ['"61 km NNE of Elo\\u00fanda"']],
    ["eloúnda", ['"61 km NNE of Elo\\u00fanda"', '"ELOÚNDA"']],
    ["KM", ['"61 km NNE of Elo\\u00fanda"', '"kmkm"', "null"]],
    ["u00fa", []],
    ["12.5", ["12.50"]],
    ["tru", ["true"]],
    ['"quoted"', ['"a\\nb \\"quoted\\""']],
    ["a\nb", ['"a\\nb \\"quoted\\""']],
    ["nothing of it", []],
  ])("%j is found in names and values", (text, values) => {
    const { nodes, total } = find(doc, text);
    expect([...nodes].map((node) => rawText(doc, node))).toEqual(values);
    expect(total).toBe(values.length);
  });

  it("counts what it does not list", () => {
    expect(find(doc, "km", 1)).toEqual({ nodes: Int32Array.from([1]), total: 3 });
  });
});
