import { expect, test } from "vitest";
import { curl, type Delivery, deliveryShape, indented, offText, outcome, took } from "./words.ts";

const delivery = (state: Delivery["state"], attempts: string) => ({ state, attempts }) as Delivery;

test.each([
  ["delivered", "o", ["ok", "arrived"]],
  ["delivered", "xxo", ["late", "arrived late"]],
  ["failed", "x", ["failed", "failed, tried again"]],
  ["dead", "xxx", ["failed", "given up"]],
  ["cancelled", "", ["muted", "cancelled"]],
  ["waiting", "", ["", "waiting"]],
] as const)("a delivery that is %s after %s", (state, attempts, shape) => {
  expect(deliveryShape(delivery(state, attempts))).toEqual(shape);
});

test("how long it took", () => {
  expect([0, 212, 5400, 35 * 60_000].map(took)).toEqual(["0 ms", "212 ms", "5.4 s", "35 min"]);
});

test("what came of an attempt", () => {
  expect(outcome({ status: 503, class: "status" })).toBe("503");
  expect(outcome({ status: null, class: "dns" })).toBe("name not found");
  expect(outcome({ status: null, class: "odd" })).toBe("odd");
});

test("why a webhook is off", () => {
  expect(offText("gone")).toContain("410");
  expect(offText(null)).toBe("It was turned off.");
});

test("a request as a command keeps its quotes", () => {
  const request = { method: "POST", url: "https://a.example/x", headers: { "x-a": "it's" }, body: `{"a":"it's"}` };
  expect(curl(request)).toBe(
    `curl -X POST 'https://a.example/x' \\\n  -H 'x-a: it'\\''s' \\\n  --data-raw '{"a":"it'\\''s"}'`,
  );
});

test.each([
  ['{"a":1.0,"b":[],"c":{"d":"x,{\\"y"}}', '{\n  "a": 1.0,\n  "b": [],\n  "c": {\n    "d": "x,{\\"y"\n  }\n}'],
  ["[1,[2]]", "[\n  1,\n  [\n    2\n  ]\n]"],
  ["plain text: no JSON, at all", "plain text: no JSON, at all"],
])("%s with a line a member", (text, expected) => {
  expect(indented(text)).toBe(expected);
});
