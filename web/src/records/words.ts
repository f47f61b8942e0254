import type { Version } from "./data.ts";

export type Content = "json" | "encrypted" | "deleted";

/** What a version holds, of a list and by itself. */
export function contentOf(version: Pick<Version, "operation" | "kind" | "encrypted">): Content {
  if (version.operation === "delete") return "deleted";
  return version.kind === "encrypted" || version.encrypted !== undefined ? "encrypted" : "json";
}

/** The version before one, among those that are listed, the newest first: what it is compared with. Null where there is
 * none, or it cannot be compared. */
export function comparableBefore(history: readonly Version[], version: number): number | null {
  const at = history.findIndex((each) => each.version === version);
  const [own, before] = [history[at], history[at + 1]];
  if (!own || !before || contentOf(own) !== "json" || contentOf(before) !== "json") return null;
  return before.version;
}
