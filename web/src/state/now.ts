import { signal } from "@preact/signals";

/** The time that relative times are told against: one clock for all of them, as fine as minutes need. */
export const now = signal(Date.now());

setInterval(() => {
  if (document.visibilityState === "visible") now.value = Date.now();
}, 10_000);

document.addEventListener("visibilitychange", () => {
  if (document.visibilityState === "visible") now.value = Date.now();
});
