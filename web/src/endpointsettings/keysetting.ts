import { at } from "../state/location.ts";

/** The setting of an array's key, with its preview on what is stored. */
export function keySetting(project: string, endpoint: string, array: string, fields: readonly string[]): string {
  const query = new URLSearchParams({ key: array, fields: fields.join(", ") });
  return `${at("p", project, "e", endpoint, "settings")}?${query}#diff`;
}
