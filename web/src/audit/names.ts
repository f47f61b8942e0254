/** Whom the ids of entries stand for, as far as the reader may know it. */

import { get, type Schemas } from "../api.ts";
import { useLoad } from "../state/load.ts";
import { person } from "../state/session.ts";
import type { Names } from "./words.ts";

export interface Known {
  /** Members and keys of the project, and the reader: what one chooses from. */
  own: Names;
  /** Those, and others who have to do with it. */
  all: Names;
}

const MOST = 1000;
const NOBODY: Known = { own: new Map(), all: new Map() };

/** What is listed of the project, and of the instance where the reader may ask. */
export function useNames(project: string): Known {
  const { data } = useLoad((signal) => ask(project, signal), [project]);
  return data ?? NOBODY;
}

async function ask(project: string, signal: AbortSignal): Promise<Known> {
  const query = { limit: MOST };
  const me = person.value;
  const nothing = () => null; // who may not list them reads ids
  const [members, keys, users] = await Promise.all([
    get("/v1/projects/{project_id}/members", { path: { project_id: project }, query, signal }).catch(nothing),
    get("/v1/auth/api-keys", { in: project, query, signal }).catch(nothing),
    me && me.role !== "member" ? get("/v1/instance/users", { query, signal }).catch(nothing) : null,
  ]);
  const owner = members?.owner ? [members.owner] : [];
  const own = new Map([
    ...(me ? [named("user", me.id, me.email)] : []),
    ...[...owner, ...(members?.data ?? [])].map((one) => named("user", one.user_id, one.email)),
    ...(keys?.data ?? []).map((key) => named("key", key.id, `key ${key.name || `…${key.last_four}`}`)),
  ]);
  const others = [...makers(keys?.data ?? []), ...(users?.data ?? []).map((one) => named("user", one.id, one.email))];
  return { own, all: new Map([...others, ...own]) };
}

/** Who made the keys may have left since. */
function makers(keys: readonly Schemas["ApiKey"][]): [string, string][] {
  return keys.flatMap(({ created_by: by }) =>
    by?.kind === "user" && by.id && by.email ? [named("user", by.id, by.email)] : [],
  );
}

function named(kind: string, id: string, name: string): [string, string] {
  return [`${kind} ${id}`, name];
}
