import { computed, effect } from "@preact/signals";
import { match } from "../routes.ts";
import { path } from "./location.ts";

const KEY = "delta.project";

/** The route of the present address, with its parameters. */
export const matched = computed(() => match(path.value));
/** The project in the address: what requests name as `in`. */
export const project = computed(() => matched.value?.params.project);

/** The project that was open last, by name. */
export function lastProject(): string | null {
  try {
    return localStorage.getItem(KEY);
  } catch {
    return null;
  }
}

effect(() => {
  if (project.value === undefined) return;
  try {
    localStorage.setItem(KEY, project.value);
  } catch {
    // Storage may be off: the first project opens next time.
  }
});
