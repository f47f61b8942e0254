/** What keys may do, as people choose it. */

import type { Schemas } from "../api.ts";

export type Scope = NonNullable<Schemas["NewKey"]["scopes"]>[number];

export interface Preset {
  id: string;
  name: string;
  hint: string;
  scopes: readonly Scope[];
  /** May stand in a web page: its kind is `write`. */
  web?: true;
}

export const PRESETS: readonly Preset[] = [
  {
    id: "write",
    name: "Send and read",
    hint: "Stores snapshots and events, and reads all of the project",
    scopes: ["write"],
  },
  { id: "read", name: "Read", hint: "Reads all of the project and changes nothing", scopes: ["read"] },
  {
    id: "send",
    name: "Send only",
    hint: "Stores snapshots and events and can read none",
    scopes: ["snapshots:write", "events:write"],
  },
  {
    id: "web",
    name: "Events from web pages",
    hint: "Sends events; may stand in a page for everybody to see",
    scopes: ["ingest"],
    web: true,
  },
  {
    id: "site",
    name: "Visits of a website",
    hint: "Sends what the script of a website counts and nothing else; may stand in a page for everybody to see",
    scopes: ["visits:write"],
    web: true,
  },
  { id: "admin", name: "Everything", hint: "Also deletes, exposes and makes other keys", scopes: ["admin"] },
];

/** Those that stand for several, which are chosen as a preset. */
type Union = "read" | "write" | "admin" | "ingest";
/** That of keys for websites alone. */
type OfWebsite = "visits:write";
/** Those that open nothing of a project. */
type OfInstance = "instance:admin" | "backups:admin" | "metrics:read" | "projects:write";

/** What each scope opens, of those that a key of a project may have: one that the server adds is missed by the compiler. */
export const SCOPES: Readonly<Record<Exclude<Scope, Union | OfInstance | OfWebsite>, string>> = {
  "snapshots:read": "Snapshots, deltas, comparisons, histories, fields",
  "snapshots:write": "Sending snapshots",
  "snapshots:admin": "Deleting snapshots",
  "endpoints:read": "Endpoints and their settings",
  "endpoints:write": "Making endpoints, changing settings",
  "endpoints:admin": "Deleting and restoring endpoints, retention",
  "events:read": "Events, queries, profiles",
  "events:write": "Sending events",
  "events:admin": "Changing the retention of events",
  "datasets:read": "Datasets and what changed in them",
  "datasets:write": "Sending deliveries of datasets",
  "datasets:admin": "How deliveries are compared; deleting datasets",
  "sql:read": "SQL over all of the project",
  "exports:read": "Exports of events",
  "stream:read": "What happens, as it happens",
  "alerts:read": "Alerts and their rules",
  "alerts:write": "Making, changing and muting rules of alerts",
  "alerts:admin": "Deleting rules of alerts",
  "annotations:read": "Annotations: deploys, incidents",
  "annotations:write": "Noting deploys and incidents, for a pipeline",
  "annotations:admin": "Deleting annotations",
  "boards:read": "Saved queries and boards",
  "boards:write": "Saving queries, making and arranging boards",
  "boards:admin": "Deleting saved queries and boards, sharing boards by links",
  "sync:read": "Pulling synced records, devices",
  "sync:write": "Pushing synced records, removing devices",
  "sync:admin": "What happens to conflicts, schemas of records, everybody’s spaces",
  "webhooks:read": "Webhooks and their deliveries",
  "webhooks:write": "Testing webhooks, sending again",
  "webhooks:admin": "Making, changing and deleting webhooks",
  "erasures:read": "Erasures and how far they are",
  "erasures:admin": "Erasing a person",
  "keys:admin": "Making and revoking keys",
  "members:read": "Members of the project",
  "members:admin": "Adding and removing members",
  "projects:read": "The project and what it keeps",
  "projects:admin": "Renaming, transferring, deleting the project",
  "audit:admin": "The audit log of the project",
};

export const LIVES = {
  "": "Never",
  "1d": "In a day",
  "30d": "In 30 days",
  "90d": "In 90 days",
  "365d": "In a year",
} as const;

/** What is sent to make such a key. `custom` are the scopes that were ticked. */
export function keyBody(
  name: string,
  preset: string,
  custom: readonly Scope[],
  expiresIn: string,
): Partial<Schemas["NewKey"]> {
  const chosen = PRESETS.find(({ id }) => id === preset);
  return {
    name: name.trim(),
    scopes: [...(chosen?.scopes ?? custom)],
    ...(chosen?.web ? { kind: "write" as const } : {}),
    ...(expiresIn === "" ? {} : { expires_in: expiresIn }),
  };
}

/** "write", or how many where there are many. */
export function scopesText(scopes: readonly string[]): string {
  return scopes.length <= 3 ? scopes.join(", ") : `${scopes.slice(0, 2).join(", ")} and ${scopes.length - 2} more`;
}
