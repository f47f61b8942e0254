import type { Schemas } from "../api.ts";
import { counted } from "../numbers.ts";
import { roughly } from "../time/clock.ts";

export type Device = Schemas["SyncDevice"];

/** Shapes in ink, as on the other pages: who is behind is half full, who must begin anew a square. */
export const SHAPES: Readonly<Record<Device["state"], string>> = {
  ok: "ok",
  behind: "late",
  resync: "failed",
  unknown: "muted",
};

const MOST_COUNTED = 1000;

/** "up to date", "212 changes behind, since 4 days". */
export function lagText({ state, lag }: Pick<Device, "state" | "lag">): string {
  if (state === "resync") return "will resync: it was away for longer than deletions are kept";
  if (state === "unknown" || lag === null) return "has not said how far it is";
  if (lag.changes === 0) return "up to date";
  const many =
    lag.changes >= MOST_COUNTED
      ? `${MOST_COUNTED.toLocaleString("en")} changes and more`
      : counted(lag.changes, "change");
  return `${many} behind, for ${roughly(lag.seconds * 1000)}`;
}

/** Those that are furthest behind first. */
export function byLag(devices: readonly Device[]): Device[] {
  const rank = { resync: 0, behind: 1, unknown: 2, ok: 3 } as const;
  return [...devices].sort((a, b) => rank[a.state] - rank[b.state] || (b.lag?.seconds ?? 0) - (a.lag?.seconds ?? 0));
}

export const nameOf = (device: Device): string => device.name ?? device.device_id;
