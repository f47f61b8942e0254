import { signal } from "@preact/signals";
import type { Schemas } from "../api.ts";

/** Endpoints whose source does not answer, by id, as the bell was told last: lists mark them. */
export const failing = signal<ReadonlyMap<string, Schemas["FailingEndpoint"]>>(new Map());
