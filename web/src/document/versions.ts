/** Finding versions: in the timeline where each has its bar, else by asking. */

import { type Bar, firstFrom } from "../time/bars";
import type { Moment } from "../time/moments";
import { isByVersion } from "./ahead";
import type { Line, Source, Version } from "./requests";
import * as ask from "./requests";

export interface Place {
  number: number;
  of: number;
  previous: string | null;
  next: string | null;
  previousChange: Beside | null;
  nextChange: Beside | null;
}

/** A version beside another. */
export interface Beside {
  id: string;
  ms: number;
}

export type Found =
  | { is: "found"; version: Version }
  | { is: "before"; first: Version }
  | { is: "gone"; id: string }
  | { is: "empty" };

export async function findVersion(
  source: Source,
  line: Line | null,
  moment: Moment,
  signal: AbortSignal,
): Promise<Found> {
  if (moment.kind === "snapshot") {
    const bar = isByVersion(line) ? line.bars.find(({ id }) => id === moment.id) : undefined;
    const version = bar ? versionOf(bar) : await ask.versionById(source, moment.id, signal);
    return version ? { is: "found", version } : { is: "gone", id: moment.id };
  }
  const version = await byTime(source, line, moment, signal);
  if (version) return { is: "found", version };
  const first = await ask.firstVersion(source, signal);
  return first ? { is: "before", first } : { is: "empty" };
}

async function byTime(
  source: Source,
  line: Line | null,
  moment: Exclude<Moment, { kind: "snapshot" }>,
  signal: AbortSignal,
): Promise<Version | null> {
  if (moment.kind === "latest") return ask.versionAt(source, null, signal);
  if (moment.kind === "version") return numbered(source, line, moment.number, signal);
  if (isByVersion(line) && line.bars.length > 0 && moment.ms < (line.bars.at(-1) as Bar).ms) {
    const bar = line.bars[firstFrom(line.bars, moment.ms + 1) - 1];
    return bar ? versionOf(bar) : null;
  }
  return ask.versionAt(source, moment.ms, signal);
}

/** The version of a number; past the last the last. */
async function numbered(
  source: Source,
  line: Line | null,
  number: number,
  signal: AbortSignal,
): Promise<Version | null> {
  if (!line || line.bars.length === 0)
    return number <= 1 ? ask.firstVersion(source, signal) : ask.versionAt(source, null, signal);
  if (isByVersion(line)) return versionOf(line.bars[Math.max(0, Math.min(line.bars.length, number) - 1)] as Bar);
  let left = Math.max(1, number);
  for (const bar of line.bars) {
    if (left <= bar.versions) return ask.versionAfter(source, bar.ms, left, signal);
    left -= bar.versions;
  }
  return ask.versionAt(source, null, signal);
}

export function versionOf(bar: Bar): Version {
  return { id: bar.id, ms: bar.ms, bytes: null };
}

export async function placeOf(
  source: Source,
  line: Line | null,
  version: Version,
  signal: AbortSignal,
): Promise<Place | null> {
  const at = isByVersion(line) ? line.bars.findIndex(({ id }) => id === version.id) : -1;
  if (!isByVersion(line) || at < 0) return ask.placeOf(source, version.id, signal);
  const isChange = ({ kind }: Bar): boolean => kind === "content" || kind === "pending";
  return {
    number: at + 1,
    of: line.bars.length,
    previous: line.bars[at - 1]?.id ?? null,
    next: line.bars[at + 1]?.id ?? null,
    previousChange: line.bars.slice(0, at).findLast(isChange) ?? (at > 0 ? (line.bars[0] as Bar) : null),
    nextChange: line.bars.slice(at + 1).find(isChange) ?? null,
  };
}
