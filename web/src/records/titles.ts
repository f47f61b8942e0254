import { zone } from "../state/zone.ts";
import { moment } from "../time/clock.ts";
import type { Version } from "./data.ts";

/** "version 12, 22 May 05:03" */
export function titleOf({ version, changed_at: at }: Pick<Version, "version" | "changed_at">): string {
  return at ? `version ${version}, ${moment(Date.parse(at), zone.value)}` : `version ${version}`;
}
