import { expect, test } from "vitest";
import { type Conflict, left, ofOpen, shown } from "./conflict.ts";

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

test("places without a side are left", () => {
  expect(left(conflict, { "/title": "device", "/tags/a~1b": "device", "/note": "device" })).toEqual([]);
  expect(left(conflict, { "/title": "server" })).toEqual(["/tags/a~1b", "/note"]);
});

test("a choice is sent for open places alone", () => {
  expect(ofOpen(conflict, { "/title": "device", "/done": "device" })).toEqual({ "/title": "device" });
});

test("values stand in a line, and what is not there says so", () => {
  const [title, , note] = conflict.merge?.fields ?? [];
  expect(title && shown(title, "device")).toBe('"Milk, bread"');
  expect(note && shown(note, "base")).toBe("none");
});
