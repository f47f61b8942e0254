// What a schema is of: the documents of an endpoint, or the events of a type.

import { get, raw, type Schemas } from "../api.ts";
import type { Place } from "../compare/data.ts";
import { conditionText } from "../explore/question.ts";
import { spanText } from "../overview/pulse.ts";
import { at } from "../state/location.ts";
import type { Change, SchemaField } from "./data.ts";

export const SHOWN = {
  fields: "Tree",
  "json-schema": "JSON Schema",
  typescript: "TypeScript",
  python: "Python",
} as const;
export type Shown = keyof typeof SHOWN;

/** `count` versions, or events. */
export interface Schema {
  count: number;
  learned_until: string;
  is_behind: boolean;
  complete: boolean;
  fields: readonly SchemaField[];
}

/** What a version did, or some events; `level` is null of the first. `to` is where that is seen. */
export interface Changes {
  id: string;
  at: string;
  to: string;
  level: "compatible" | "breaking" | null;
  count: number;
  changes: readonly Change[];
}

interface Page {
  data: Changes[];
  next_cursor: string | null;
}

export interface Subject {
  /** What its schema is learned from, one of them. */
  one: "version" | "event";
  /** What has no name in it. */
  whole: "the document" | "the event";
  schema(signal: AbortSignal): Promise<Schema>;
  /** As it is copied. */
  written(format: Shown, signal: AbortSignal): Promise<string>;
  changes(cursor: string | undefined, signal: AbortSignal): Promise<Page>;
  /** Where is seen what there was at a time. */
  to(time: string): string;
}

const CHANGES = 20;
/** Around a change of events, so much is shown. */
const AROUND_MS = 30 * 60_000;

export function ofEndpoint({ project, endpoint }: Place): Subject {
  const sent = { in: project, path: { endpoint } };
  const to = (time: string) => `${at("p", project, "e", endpoint)}?${new URLSearchParams({ at: time })}`;
  return {
    one: "version",
    whole: "the document",
    to,
    async schema(signal) {
      const found = (await get("/v1/endpoints/{endpoint}/schema", { ...sent, signal })) as Schemas["EndpointSchema"];
      return { ...found, count: found.versions };
    },
    async written(format, signal) {
      return text(format, await raw("/v1/endpoints/{endpoint}/schema", { ...sent, query: { format }, signal }));
    },
    async changes(cursor, signal) {
      const query = { limit: CHANGES, ...(cursor ? { cursor } : {}) };
      const page = await get("/v1/endpoints/{endpoint}/schema/changes", { ...sent, query, signal });
      const data = page.data.map((one) => ({
        ...one,
        id: one.snapshot_id,
        at: one.captured_at,
        to: to(one.snapshot_id),
      }));
      return { data, next_cursor: page.next_cursor };
    },
  };
}

export function ofEventType(project: string, event_type: string): Subject {
  const sent = { in: project, path: { event_type } };
  const to = (time: string) => {
    const ms = Date.parse(time);
    const f = conditionText({ field: "eventType", operation: "is", values: [event_type] });
    const range = spanText({ fromMs: ms - AROUND_MS, toMs: ms + AROUND_MS });
    return `${at("p", project, "events")}?${new URLSearchParams({ f, range })}`;
  };
  return {
    one: "event",
    whole: "the event",
    to,
    async schema(signal) {
      const path = "/v1/event-types/{event_type}/schema";
      const found = (await get(path, { ...sent, signal })) as Schemas["EventTypeSchema"];
      return { ...found, count: found.events };
    },
    async written(format, signal) {
      return text(format, await raw("/v1/event-types/{event_type}/schema", { ...sent, query: { format }, signal }));
    },
    async changes(cursor, signal) {
      const query = { limit: CHANGES, ...(cursor ? { cursor } : {}) };
      const page = await get("/v1/event-types/{event_type}/schema/changes", { ...sent, query, signal });
      const data = page.data.map((one) => ({
        ...one,
        id: `${one.changed_at} ${one.level} ${one.count}`,
        at: one.changed_at,
        to: to(one.changed_at),
      }));
      return { data, next_cursor: page.next_cursor };
    },
  };
}

async function text(format: Shown, answer: Response): Promise<string> {
  const written = await answer.text();
  return format === "json-schema" ? JSON.stringify(JSON.parse(written), null, 2) : written;
}
