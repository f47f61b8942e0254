import { expect, test } from "vitest";
import { byLag, type Device, lagText } from "./words.ts";

const device = (id: string, state: Device["state"], lag: Device["lag"]) => ({ id, state, lag }) as Device;

test.each([
  ["ok", { changes: 0, seconds: 0 }, "up to date"],
  ["behind", { changes: 1, seconds: 120 }, "1 change behind, for 2 min"],
  ["behind", { changes: 1000, seconds: 345_600 }, "1,000 changes and more behind, for 4 days"],
  ["unknown", null, "has not said how far it is"],
  ["resync", { changes: 3, seconds: 60 }, "will resync: it was away for longer than deletions are kept"],
] as const)("%s %o", (state, lag, said) => {
  expect(lagText({ state, lag })).toBe(said);
});

test("who is furthest behind comes first", () => {
  const found = byLag([
    device("fine", "ok", { changes: 0, seconds: 0 }),
    device("a day", "behind", { changes: 9, seconds: 86_400 }),
    device("silent", "unknown", null),
    device("four days", "behind", { changes: 1, seconds: 345_600 }),
    device("lost", "resync", { changes: 1, seconds: 1 }),
  ]);
  expect(found.map(({ id }) => id)).toEqual(["lost", "four days", "a day", "silent", "fine"]);
});
