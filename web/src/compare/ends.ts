// The two versions that a comparison is of: from what the address says to snapshots, and back.

import { useMemo } from "preact/hooks";
import { type Loaded, useLoad } from "../state/load.ts";
import type { Moment } from "../time/moments.ts";
import { endOf, type Place, type Snapshot, versionAt } from "./data.ts";
import type { End } from "./Moments.tsx";

export interface Ends {
  a: End;
  b: End;
}

/** A moment as it stands in the address: a time in UTC, or a snapshot's id; nothing for the latest. */
export function momentOf(text: string | null): Moment {
  if (!text) return { kind: "latest" };
  const ms = Date.parse(text);
  return Number.isNaN(ms) ? { kind: "snapshot", id: text } : { kind: "time", ms };
}

export function textOf(moment: Moment): string | null {
  if (moment.kind === "time") return new Date(moment.ms).toISOString();
  return moment.kind === "snapshot" ? moment.id : null;
}

export class NoVersion extends Error {
  override name = "NoVersion";
}

/** Without `a` it is the version before the last change up to B, so that the page shows what changed last. */
export function useEnds(place: Place, a: string | null, b: string | null): Loaded<Ends> {
  const load = (signal: AbortSignal) => loadEnds(place, a, b, signal);
  const by = useMemo(() => [place.project, place.endpoint, a, b], [place.project, place.endpoint, a, b]);
  return useLoad(load, by);
}

async function loadEnds(place: Place, a: string | null, b: string | null, signal: AbortSignal): Promise<Ends> {
  const later = found(await versionAt(place, momentOf(b), signal), "B");
  const ofA = a ? versionAt(place, momentOf(a), signal) : null;
  const [endB, own] = await Promise.all([endOf(place, later, signal), ofA]);
  const before = endB.previousChange;
  const earlier = own ?? (a || before === null ? null : await versionAt(place, { kind: "time", ms: before }, signal));
  return { a: await endOf(place, found(earlier, "A"), signal), b: endB };
}

function found(snapshot: Snapshot | null, name: string): Snapshot {
  if (!snapshot) throw new NoVersion(`there is no version as early as ${name}`);
  return snapshot;
}
