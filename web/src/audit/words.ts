/** What was done, in words. */

import type { Schemas } from "../api.ts";
import type { paths } from "../types.gen.ts";

export type Entry = Schemas["AuditEntry"];
type Asked = NonNullable<paths["/v1/audit"]["get"]["parameters"]["query"]>;
export type Action = NonNullable<Asked["action"]>;

/** "key.first_use" as "key, first use" */
export function actionText(action: string): string {
  return action.replace(".", ", ").replaceAll("_", " ");
}

/** "user 01a2..." as ["user", "01a2..."]; the server itself, and commands, have no id. */
export function actorParts(actor: string): [kind: string, id: string] {
  const space = actor.indexOf(" ");
  return space < 0 ? [actor, ""] : [actor.slice(0, space), actor.slice(space + 1)];
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

export const ACTIONS = [
  "account.create",
  "audit.begin",
  "audit.expire",
  "audit.export",
  "audit.key_change",
  "backup.download",
  "command.run",
  "endpoint.delete",
  "endpoint.purge",
  "endpoint.restore",
  "endpoint.update",
  "erasure.request",
  "event.export",
  "event.retention",
  "identity.link",
  "identity.unlink",
  "invitation.accept",
  "invitation.create",
  "invitation.revoke",
  "key.create",
  "key.first_use",
  "key.revoke",
  "key.rotate",
  "login",
  "logout",
  "member.remove",
  "member.set",
  "password.change",
  "password.check",
  "password.reset",
  "project.create",
  "project.delete",
  "project.purge",
  "project.restore",
  "project.transfer",
  "project.update",
  "second_factor.disable",
  "second_factor.enable",
  "second_factor.renew_codes",
  "session.revoke",
  "snapshot.delete",
  "sql.run",
  "user.create",
  "user.delete",
  "user.disable",
  "user.enable",
  "user.register_again",
  "user.reset_link",
  "user.role",
] as const satisfies readonly Action[];
