/** The time zone of the reader, or the one that a link names. */

import { computed } from "@preact/signals";

import { query } from "../state/location";

export const zone = computed(() => {
  const named = query.value.get("tz");
  return named && isZone(named) ? named : Intl.DateTimeFormat().resolvedOptions().timeZone || "UTC";
});

function isZone(name: string): boolean {
  try {
    new Intl.DateTimeFormat("en", { timeZone: name });
    return true;
  } catch {
    return false;
  }
}
