import { signal } from "@preact/signals";
import { announce } from "./announce.ts";

export interface Toast {
  id: number;
  text: string;
  act?: { name: string; run: () => Promise<unknown> };
}

export const toasts = signal<readonly Toast[]>([]);

/** Long enough to take something back. */
const SHOWN_MS = 10_000;
let last = 0;

/** Says that something was done, and how it is undone. What is said once more stands in the place of the first. */
export function toast(text: string, act?: Toast["act"], shownMs = SHOWN_MS): void {
  last += 1;
  const id = last;
  const others = toasts.value.filter((each) => act || each.act || each.text !== text);
  toasts.value = [...others, { id, text, ...(act ? { act } : {}) }];
  announce(act ? `${text}. ${act.name} is offered for ten seconds.` : text);
  setTimeout(() => dismiss(id), shownMs);
}

export function dismiss(id: number): void {
  toasts.value = toasts.value.filter((each) => each.id !== id);
}
