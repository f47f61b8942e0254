/** What was done, in words. */

import type { Schemas } from "../api.ts";

export type Entry = Schemas["AuditEntry"];

/** "key.first_use" as "key, first use" */
export function actionText(action: string): string {
  return action.replace(".", ", ").replaceAll("_", " ");
}

/** "user 01a2..." as ["user", "01a2..."]; the server itself, and the command line, have no id. */
export function actorParts(actor: string): [kind: string, id: string] {
  const [, kind, id] = /^(user|key) (.+)$/.exec(actor) ?? [];
  return kind && id ? [kind, id] : [actor, ""];
}

/** Details in one line: "role: viewer, before: editor". */
export function detailText(detail: unknown): string {
  if (typeof detail !== "object" || detail === null) return "";
  return Object.entries(detail)
    .map(
      ([name, value]) => `${name.replaceAll("_", " ")}: ${typeof value === "string" ? value : JSON.stringify(value)}`,
    )
    .join(", ");
}
