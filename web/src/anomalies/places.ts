// What chooses anomalies, and where each is looked at.

import type { Schemas } from "../api.ts";
import { spanText } from "../overview/pulse.ts";

export type Anomaly = Schemas["Anomaly"];
export type Kind = Anomaly["kind"];
export type Series = Anomaly["series"];

export const KINDS: Readonly<Record<Kind, string>> = {
  spike: "Spike",
  level_shift: "Level shift",
  silence: "Silence",
  new_value: "New value",
};
export const SERIES: Readonly<Record<Series, string>> = {
  events: "Events",
  changes: "Changes",
  size: "Sizes",
  duration: "Durations of polls",
  field: "Fields",
};

/** The filters as they stand in the address. */
export interface Filters {
  kind?: Kind;
  series?: Series;
  state?: "open" | "ended";
  endpoint?: string;
}

/** So much around an anomaly is drawn. */
const AROUND_MS = 5 * 24 * 3_600_000;

export function filtersOf(asked: URLSearchParams): Filters {
  const [kind, series, endpoint] = ["kind", "series", "endpoint"].map((name) => asked.get(name) ?? "");
  return {
    ...(kind && Object.hasOwn(KINDS, kind) ? { kind: kind as Kind } : {}),
    ...(series && Object.hasOwn(SERIES, series) ? { series: series as Series } : {}),
    ...(asked.get("state") === "open" ? { state: "open" as const } : {}),
    ...(endpoint ? { endpoint } : {}),
  };
}

/** A page below the project's, and its query. */
export interface Place {
  steps: readonly string[];
  query?: Readonly<Record<string, string>>;
}

/** The chart of a field, the document then, the events around it; null where the endpoint is gone. */
export function placeOf({ kind, series, name, endpoint, peak_at }: Anomaly): Place | null {
  const peak = Date.parse(peak_at);
  const range = spanText({ fromMs: peak - AROUND_MS, toMs: peak + AROUND_MS });
  if (series === "events") return { steps: ["events"], query: { range } };
  if (endpoint === null) return null;
  if (series === "duration") return { steps: ["e", endpoint, "polls"] };
  if (series === "field" && kind !== "new_value") {
    return { steps: ["e", endpoint, "charts"], query: { f: name, range } };
  }
  return { steps: ["e", endpoint], query: { at: peak_at } };
}
