import { address, query, withQuery } from "../state/location.ts";
import { asQuery, spaceOf } from "./space.ts";

/** An address of device sync about the same space as this one. */
export function inSpace(path: string, changes: Record<string, string | null> = {}): string {
  return withQuery({ ...address.value, path, search: "" }, { ...asQuery(spaceOf(query.value)), ...changes });
}
