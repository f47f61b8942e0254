import { computed, signal } from "@preact/signals";
import { query } from "./location.ts";

const KEY = "delta.zone";

/** The time zone that the reader chose; null for the device's own. */
export const chosenZone = signal(saved());

/** The time zone that times are shown in: the one that a shared link names, else the reader's. */
export const zone = computed(() => {
  const named = query.value.get("tz");
  return named && isZone(named) ? named : (chosenZone.value ?? ownZone());
});

/** The device's. */
export function ownZone(): string {
  return Intl.DateTimeFormat().resolvedOptions().timeZone || "UTC";
}

export function chooseZone(name: string | null): void {
  try {
    if (name === null) localStorage.removeItem(KEY);
    else localStorage.setItem(KEY, name);
  } catch {
    // Storage may be off: the choice lasts as long as the page.
  }
  chosenZone.value = name;
}

function saved(): string | null {
  try {
    const name = localStorage.getItem(KEY);
    return name !== null && isZone(name) ? name : null;
  } catch {
    return null;
  }
}

function isZone(name: string): boolean {
  try {
    new Intl.DateTimeFormat("en", { timeZone: name });
    return true;
  } catch {
    return false;
  }
}
