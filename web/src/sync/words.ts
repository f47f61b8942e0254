import type { Schemas } from "../api.ts";
import { bytes, counted, percent } from "../numbers.ts";
import { roughly } from "../time/clock.ts";

export type Device = Schemas["SyncDevice"];
export type Upload = Schemas["DeviceUpload"];

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

/** "first-sync: 2,000 lines (640 kB) are here". */
export function uploadText({ upload_id, state, lines, bytes: size, staged_lines, message }: Upload): string {
  const many = `${counted(lines, "line")} (${bytes(size)})`;
  if (state === "refused") return `upload ${upload_id} of ${many} was refused: ${message}`;
  if (state === "open") return `uploads ${upload_id}: ${many} so far`;
  return `upload ${upload_id} becomes visible: ${percent(lines === 0 ? 1 : staged_lines / lines)} of ${many}`;
}

export const nameOf = (device: Device): string => device.name ?? device.device_id;
