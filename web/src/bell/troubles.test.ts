import { expect, test } from "vitest";
import { type Found, troublesOf } from "./troubles.ts";

const WEBHOOK = { id: "w", name: "desk", state: "on", disabled_reason: null, failing_since: null };
const poll = (state: string) => ({ id: "e", name: "a/b", state, failing_since: "2026-01-01T00:00:00Z" });

test.each([
  ["an alert", { alerts: [{ id: "1", rule: "n", rule_id: "r", text: "140", raised_at: "x" }] }, "alerts rule=r"],
  ["a paused poll", { polls: [poll("paused")] }, "e a/b polls"],
  ["a failing poll", { polls: [poll("backing_off")] }, "e a/b polls"],
  ["a failing webhook", { webhooks: [{ ...WEBHOOK, state: "failing" }] }, "connect webhooks hook=w"],
  [
    "one off by the server",
    { webhooks: [{ ...WEBHOOK, state: "off", disabled_reason: "gone" }] },
    "connect webhooks hook=w",
  ],
  ["a backup that failed", { backups: { failure: { since: "x", last_at: "x", reason: "full" } } }, "instance backups"],
  ["a full quota", { quotas: [{ name: "events_per_month", use: 9, limit: 9 }] }, "settings usage"],
])("%s is counted, and leads to where it is mended", (_, found, to) => {
  const [first] = troublesOf("it is", found as unknown as Found);
  const asked = Object.entries(first?.asked ?? {}).map((pair) => pair.join("="));
  expect([...(first?.path ?? []), ...asked].join(" ")).toBe(to.startsWith("instance") ? to : `p it is ${to}`);
});

test("what is as somebody wants it is none", () => {
  const found = {
    webhooks: [WEBHOOK, { ...WEBHOOK, state: "off", disabled_reason: "request" }],
    quotas: [
      { name: "a", use: 5, limit: null },
      { name: "b", use: 8, limit: 9 },
    ],
  };
  expect(troublesOf("p", found as unknown as Found)).toEqual([]);
});
