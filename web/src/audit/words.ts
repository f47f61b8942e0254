/** What was done, in words. */

import type { Schemas } from "../api.ts";

export type Entry = Schemas["AuditEntry"];
/** "user 01a2..." and "key 9mXk..." by the name that people know. */
export type Names = ReadonlyMap<string, string>;

/** "key.first_use" as "key, first use" */
export function actionText(action: string): string {
  return action.replace(".", ", ").replaceAll("_", " ");
}

/** "user 01a2..." as ["user", "01a2..."]; the server itself, and the command line, have no id. */
export function actorParts(actor: string): [kind: string, id: string] {
  const [, kind, id] = /^(user|key) (.+)$/.exec(actor) ?? [];
  return kind && id ? [kind, id] : [actor, ""];
}

/** Details in one line: "role: viewer, before: editor"; what is not there is not told. */
export function detailText(detail: unknown, time: (ms: number) => string): string {
  if (typeof detail !== "object" || detail === null) return "";
  return Object.entries(detail)
    .filter(([, value]) => value !== null)
    .map(([name, value]) => `${name.replaceAll("_", " ")}: ${valueText(value, time)}`)
    .join(", ");
}

const TIME = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$/;

function valueText(value: unknown, time: (ms: number) => string): string {
  if (Array.isArray(value)) return value.map((each) => valueText(each, time)).join(" ");
  if (typeof value === "string") return TIME.test(value) ? time(Date.parse(value)) : value;
  return JSON.stringify(value);
}

/** `known`, and those whom the entries themselves name: who was removed or deleted stands there as it was. */
export function withNamed(known: Names, entries: readonly Entry[]): Names {
  const told = entries.filter(({ name, target }) => name !== "" && /^(user|key) /.test(target));
  return new Map([
    ...told.map(({ name, target }) => [target, target.startsWith("key ") ? `key ${name}` : name] as const),
    ...known,
  ]);
}
