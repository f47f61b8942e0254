import { computed, signal } from "@preact/signals";

export type Connection = "live" | "waiting" | "connecting" | "off";

/** How the stream of news stands: "off" while no page wants any, or the tab is hidden. */
export const stream = signal<Connection>("off");
/** When the next try comes, in ms of `Date.now()`; 0 while none is planned. */
export const nextTry = signal(0);
/** Since when nothing was heard of the server; null while it answers. */
export const silentSince = signal<number | null>(null);

export const isReachable = computed(() => silentSince.value === null);

/** Tries at once what waits to be tried: the stream registers itself here. */
export const retry = signal<(() => void) | null>(null);

/** The server answered something. */
export function reached(): void {
  silentSince.value = null;
}

/** A request found nobody. */
export function unreachable(): void {
  silentSince.value ??= Date.now();
}
