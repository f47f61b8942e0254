import { computed } from "@preact/signals";
import { query } from "./location.ts";

/** The time zone that times are shown in: the reader's, or the one that a shared link names. */
export const zone = computed(() => {
  const named = query.value.get("tz");
  return named && isZone(named) ? named : Intl.DateTimeFormat().resolvedOptions().timeZone;
});

function isZone(name: string): boolean {
  try {
    new Intl.DateTimeFormat("en", { timeZone: name });
    return true;
  } catch {
    return false;
  }
}
