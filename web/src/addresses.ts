import { at } from "./state/location.ts";

/** The setting of an array's key, with its preview on what is stored. */
export function keySetting(project: string, endpoint: string, array: string, fields: readonly string[]): string {
  const query = new URLSearchParams({ key: array, fields: fields.join(", ") });
  return `${at("p", project, "e", endpoint, "settings")}?${query}#diff`;
}

/** A key as people read it: of an address its last part. */
export function lastPart(key: string): string {
  return /^https?:\/\/\S+\/[^/\s]+$/.test(key) ? key.slice(key.lastIndexOf("/") + 1) : key;
}
