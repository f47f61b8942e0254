// The other moment of a comparison that people want most: the change before, a day, a week, the beginning.

import type { Moment } from "../time/moments.ts";
import type { Ends } from "./ends.ts";
import type { Preset, Side } from "./Moments.tsx";

const DAY_MS = 86_400_000;

interface Known {
  ends: Pick<Ends, "a" | "b"> | undefined;
  firstMs: number | null;
  /** When this browser last looked at the endpoint. */
  lookedMs: number | null;
}

export function presetsOf({ ends, firstMs, lookedMs }: Known, side: Side): Preset[] {
  const time = (ms: number | null | undefined): Moment | null =>
    ms === null || ms === undefined ? null : { kind: "time", ms };
  if (side === "b") {
    return [
      { name: "Latest", moment: { kind: "latest" } },
      { name: "The next change", moment: time(ends?.b.nextChange) },
    ];
  }
  const b = ends?.b;
  const early = (ms: number | undefined) => time(ms === undefined ? null : Math.max(ms, firstMs ?? ms));
  return [
    { name: "Before the last change", moment: time(b?.previousChange) },
    { name: "24 h before B", moment: early(b && b.ms - DAY_MS) },
    { name: "7 d before B", moment: early(b && b.ms - 7 * DAY_MS) },
    { name: "The first version", moment: time(firstMs) },
    { name: "Since I last looked", moment: time(lookedMs) },
  ];
}
