import { expect, test } from "vitest";
import { keyText, pathText, valueText } from "./rowtext.ts";

test.each([
  ["/metadata/count", "metadata/count"],
  ["properties/mag", "properties/mag"],
  ["/a~1b/~0c", "a/b/~c"],
  ["", ""],
])("the path %j", (at, text) => expect(pathText(at)).toBe(text));

test.each([
  [undefined, ""],
  ["139", "139"],
  ["12345678901234567890.50", "12345678901234567890.50"],
  ['"open"', "open"],
  ['"a\\nb"', "a b"],
  ['"<img src=x onerror=alert(1)>"', "<img src=x onerror=alert(1)>"],
  ['"cut within', '"cut within'],
  ["null", "null"],
])("the value %j", (json, text) => expect(valueText(json)).toBe(text));

test("a long text is cut between letters, not within one", () => {
  const text = valueText(JSON.stringify("🦊".repeat(100)));
  expect([...text]).toHaveLength(32);
  expect(text.endsWith("🦊…")).toBe(true);
});

test.each([
  ['/features/[properties/url="https://x.org/us7000q0pq"]', "us7000q0pq"],
  ['/f/[id="a]\\"b"]', 'a]\\"b'],
  ["/f/[u=https://x.org/e/us70]", "us70"],
  ["/a/[id=5]/b/[n=7]", "n=7"],
  ["/a/[id=x,n=7]", "id=x,n=7"],
  ["/rates/EUR~1USD", "EUR/USD"],
  ["/items/12", "12"],
])("the record %s is called %s", (record, text) => expect(keyText(record)).toBe(text));
