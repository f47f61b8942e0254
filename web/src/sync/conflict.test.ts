import { expect, test } from "vitest";
import { type Conflict, left, merged, shown, steps } from "./conflict.ts";

const conflict = {
  merge: {
    data: { title: "Milk, eggs", done: true, tags: { "a/b": 1 } },
    open: ["/title", "/tags/a~1b", "/note"],
    fields: [
      { path: "/title", by: "both", open: true, base: "Milk", server: "Milk, eggs", device: "Milk, bread" },
      { path: "/tags/a~1b", by: "both", open: true, base: 0, server: 1, device: 2 },
      { path: "/note", by: "both", open: true, server: "x" },
      { path: "/done", by: "server", open: false, base: false, server: true, device: false },
    ],
    fields_count: 4,
  },
} as unknown as Conflict;

test("what is chosen takes its place, and what a side has not goes", () => {
  const picks = { "/title": "device", "/tags/a~1b": "device", "/note": "device" } as const;
  expect(merged(conflict, picks)).toEqual({ title: "Milk, bread", done: true, tags: { "a/b": 2 } });
  expect(left(conflict, picks)).toEqual([]);
  expect(left(conflict, { "/title": "server" })).toEqual(["/tags/a~1b", "/note"]);
  expect(merged(conflict, {})).toEqual(conflict.merge?.data);
});

test("the document itself may be what is chosen", () => {
  const whole = {
    merge: { data: 2, open: [""], fields: [{ path: "", by: "both", open: true, base: 1, server: 2, device: 3 }] },
  } as unknown as Conflict;
  expect(merged(whole, { "": "device" })).toBe(3);
});

test("a member called __proto__ is one like others", () => {
  const hostile = {
    merge: {
      data: JSON.parse('{"__proto__": 1}'),
      open: ["/__proto__"],
      fields: [{ path: "/__proto__", by: "both", open: true, base: 0, server: 1, device: 2 }],
    },
  } as unknown as Conflict;
  expect(JSON.stringify(merged(hostile, { "/__proto__": "device" }))).toBe('{"__proto__":2}');
});

test("values stand in a line, and what is not there says so", () => {
  const [title, , note] = conflict.merge?.fields ?? [];
  expect(title && shown(title, "device")).toBe('"Milk, bread"');
  expect(note && shown(note, "base")).toBe("none");
  expect(steps("/a~1b/~0c/")).toEqual(["a/b", "~c", ""]);
});
