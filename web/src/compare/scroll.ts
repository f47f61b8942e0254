// The part of a long list that is seen, whoever scrolls it: the list itself, or on a small screen the page around it.

import { useLayoutEffect, useState } from "preact/hooks";

/** Browsers draw no element higher than some 16 to 33 million pixels; above this the scroll is scaled. */
export const HIGHEST = 8_000_000;

export interface Seen {
  /** Pixels of the list, as if it were drawn whole. */
  top: number;
  bottom: number;
  /** What lies between a place in the list and where it is drawn. */
  shift: number;
}

export function drawnHeight(height: number): number {
  return Math.min(height, HIGHEST);
}

/** `drawnTop`: how far the drawn list has gone up behind the upper edge of what scrolls it. */
export function seenOf(drawnTop: number, view: number, height: number): Seen {
  const hidden = Math.max(1, drawnHeight(height) - view);
  const scale = height > HIGHEST ? (height - view) / hidden : 1;
  const top = Math.max(0, drawnTop * scale);
  return { top, bottom: top + view, shift: drawnTop - top };
}

/** The drawn place of a place of the list. */
export function drawnTopOf(top: number, view: number, height: number): number {
  if (height <= HIGHEST) return top;
  return (top * (HIGHEST - view)) / Math.max(1, height - view);
}

/** The nearest element around that scrolls. */
export function scrollerOf(element: HTMLElement): HTMLElement {
  for (let at: HTMLElement | null = element; at; at = at.parentElement) {
    const flow = getComputedStyle(at).overflowY;
    if (flow === "auto" || flow === "scroll") return at;
  }
  return document.documentElement;
}

/** Calls `read` now and whenever what is seen in a scroller moves or changes its size, until the answer is called. */
export function watchScroller(scroller: HTMLElement, read: () => void): () => void {
  const target = scroller === document.documentElement ? window : scroller;
  const sizes = new ResizeObserver(read);
  sizes.observe(scroller);
  target.addEventListener("scroll", read, { passive: true });
  read();
  return () => {
    sizes.disconnect();
    target.removeEventListener("scroll", read);
  };
}

export interface View {
  narrow: boolean;
  coarse: boolean;
}

/** Whether the window is narrow and the pointer coarse, as the style sheet has it. */
export function useView(): View {
  const read = (): View => ({ narrow: matches("(max-width: 760px)"), coarse: matches("(pointer: coarse)") });
  const [view, setView] = useState(read);
  useLayoutEffect(() => {
    const lists = ["(max-width: 760px)", "(pointer: coarse)"].map((query) => matchMedia(query));
    const changed = () => setView(read());
    for (const list of lists) list.addEventListener("change", changed);
    return () => {
      for (const list of lists) list.removeEventListener("change", changed);
    };
  }, []);
  return view;
}

function matches(query: string): boolean {
  return matchMedia(query).matches;
}
