import { expect, it } from "vitest";
import type { EventJson } from "../explore/rows.ts";
import { daysOf } from "./days.ts";

it("puts events into the reader's days", () => {
  const events = ["2026-05-02T00:10:00Z", "2026-05-01T23:50:00Z", "2026-05-01T21:00:00Z"].map(
    (timestamp) => ({ timestamp }) as EventJson,
  );
  const sizes = (zone: string) => daysOf(events, zone).map(({ events: own }) => own.length);
  expect([sizes("UTC"), sizes("Europe/Paris")]).toEqual([
    [1, 2],
    [2, 1],
  ]);
});
