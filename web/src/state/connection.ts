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

const SOONEST_MS = 1000;
const LATEST_MS = 15_000;
let waitMs = SOONEST_MS;
let timer: ReturnType<typeof setTimeout> | undefined;
let ask: () => Promise<unknown> = () => Promise.resolve();

/** Says how to ask whether the server is there: api.ts does, which alone fetches. */
export function askBy(question: () => Promise<unknown>): void {
  ask = question;
}

/** The server answered something. */
export function reached(): void {
  clearTimeout(timer);
  timer = undefined;
  waitMs = SOONEST_MS;
  if (silentSince.peek() === null) return;
  silentSince.value = null;
  retry.peek()?.();
}

/** A request found nobody: from now on it is asked for, less often each time. */
export function unreachable(): void {
  if (silentSince.peek() === null) silentSince.value = Date.now();
  if (timer !== undefined) return;
  nextTry.value = Date.now() + waitMs;
  timer = setTimeout(probe, waitMs);
  waitMs = Math.min(LATEST_MS, waitMs * 2);
}

/** Asks at once. */
export function probe(): void {
  clearTimeout(timer);
  timer = undefined;
  ask().catch(() => undefined); // the request itself says whether it reached anybody
}
