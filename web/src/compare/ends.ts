// The two versions that a comparison is of: from what the address says to snapshots, and back.

import { useMemo } from "preact/hooks";
import { type Loaded, useLoad } from "../state/load.ts";
import type { Moment } from "../time/moments.ts";
import { changeNear, neighboursOf, type Place, type Snapshot, versionAt } from "./data.ts";
import type { End } from "./Moments.tsx";

export interface Ends {
  a: End;
  b: End;
  /** What the address asked for. */
  asked: string;
}

/** What a comparison's address asks for, as one text. */
export function askedOf(a: string | null, b: string | null): string {
  return `${a ?? ""} ${b ?? ""}`;
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
  const until = momentOf(b);
  const known = until.kind === "latest" ? {} : until.kind === "time" ? { to: iso(until.ms + 1) } : null;
  const [latest, own, quick] = await Promise.all([
    versionAt(place, until, signal),
    a ? versionAt(place, momentOf(a), signal) : null,
    a || !known ? null : changeNear(place, { ...known, order: "desc" }, signal),
  ]);
  const later = endOf(latest, "B");
  const asked = askedOf(a, b);
  if (a) return { a: endOf(own, "A"), b: later, asked };
  const change = known ? quick : await changeNear(place, { to: iso(later.ms + 1), order: "desc" }, signal);
  const earlier = change === null ? null : await versionAt(place, { kind: "time", ms: change - 1 }, signal);
  return { a: endOf(earlier, "A"), b: later, asked };
}

function endOf(snapshot: Snapshot | null, name: string): End {
  if (!snapshot) throw new NoVersion(`there is no version as early as ${name}`);
  const { id, captured_at, size_bytes: bytes } = snapshot;
  return { id, ms: Date.parse(captured_at), bytes, number: null, previousChange: null, nextChange: null };
}

function iso(ms: number): string {
  return new Date(ms).toISOString();
}

/**
 * The same ends with the changes beside them, which come later: the comparison does not wait for these. Until then they
 * have those of the ends before, which nobody steps by: `isSettled` says whose they are.
 */
export function useNeighbours(place: Place, ends: Ends | undefined): { ends: Ends | undefined; isSettled: boolean } {
  const load = async (signal: AbortSignal) => {
    if (!ends) return null;
    const beside = await Promise.all([neighboursOf(place, ends.a.ms, signal), neighboursOf(place, ends.b.ms, signal)]);
    return { of: ends, beside };
  };
  const { data } = useLoad(load, [place, ends]);
  const found = useMemo(
    () => ends && { ...ends, a: { ...ends.a, ...data?.beside[0] }, b: { ...ends.b, ...data?.beside[1] } },
    [ends, data],
  );
  return { ends: found, isSettled: ends !== undefined && data?.of === ends };
}
