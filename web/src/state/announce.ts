import { signal } from "@preact/signals";

/** What the one polite live region says. */
export const announced = signal("");
let timer: ReturnType<typeof setTimeout> | undefined;

/** Says something to screen readers, 400 ms after the last of a row of messages: who steps fast hears where they stop. */
export function announce(text: string): void {
  clearTimeout(timer);
  timer = setTimeout(() => {
    announced.value = announced.value === text ? `${text}\u00a0` : text; // the same words again are said again
  }, 400);
}
