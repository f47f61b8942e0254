import { expect, test } from "vitest";
import { SseReader } from "./sse.ts";

const TEXT = 'retry: 2000\nid: 1\n\n: beat\n\nevent: event\ndata: {"a":1}\nid: 2\n\ndata: x\r\ndata: y\r\n\r\n';
const EVENTS = [
  { event: "event", data: '{"a":1}', id: "2" },
  { event: "message", data: "x\ny", id: "2" },
];

test("events come whole, however the bytes are cut", () => {
  for (let size = 1; size <= TEXT.length; size += 1) {
    const reader = new SseReader();
    const found = [];
    for (let at = 0; at < TEXT.length; at += size) found.push(...reader.push(TEXT.slice(at, at + size)));
    expect(found).toEqual(EVENTS);
    expect(reader.lastId).toBe("2");
  }
});
