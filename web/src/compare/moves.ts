import type { RefObject } from "preact";
import { useCallback, useLayoutEffect, useRef, useState } from "preact/hooks";
import type { Cursor, Ledger, Placed } from "./model.ts";
import { drawnTopOf, type Seen, scrollerOf, seenOf, watchScroller } from "./scroll.ts";

interface Frame {
  scroller: HTMLElement;
  /** Where the list begins in what scrolls it, below what sticks to its upper edge. */
  begin: number;
  view: number;
}

function frameOf(body: HTMLElement): Frame {
  const scroller = scrollerOf(body);
  const sticky = body.previousElementSibling instanceof HTMLElement ? body.previousElementSibling.offsetHeight : 0;
  const edge = scroller === document.documentElement ? 0 : scroller.getBoundingClientRect().top;
  const begin = body.getBoundingClientRect().top - edge + scroller.scrollTop - sticky;
  return { scroller, begin, view: scroller.clientHeight - sticky };
}

/** Scrolls a ledger and its cursor, and keeps what is seen in its place when windows above turn out higher. */
export function useMoves(body: RefObject<HTMLElement | null>, model: Ledger, seen: { value: Seen }, narrow: boolean) {
  const anchor = useRef({ window: 0, offset: 0 });
  const focus = useRef(false);
  const [, redraw] = useState(0);

  const read = useCallback(() => {
    if (!body.current) return;
    const { scroller, begin, view } = frameOf(body.current);
    const next = seenOf(Math.max(0, scroller.scrollTop - begin), view, model.geometry.height);
    const window = model.geometry.at(next.top);
    anchor.current = { window, offset: next.top - model.geometry.top(window) };
    if (next.top !== seen.value.top || next.bottom !== seen.value.bottom) seen.value = next;
  }, [body, model, seen]);

  const go = useCallback(
    (top: number) => {
      if (!body.current) return;
      const { scroller, begin, view } = frameOf(body.current);
      scroller.scrollTop = begin + drawnTopOf(Math.max(0, top), view, model.geometry.height);
      read();
    },
    [body, model, read],
  );
  useLayoutEffect(() => {
    if (body.current) return watchScroller(scrollerOf(body.current), read);
  }, [body, read, narrow]);

  const version = model.version.value;
  useLayoutEffect(() => {
    const { window, offset } = anchor.current;
    const wanted = model.geometry.top(window) + offset;
    if (Math.abs(wanted - seen.value.top) > 0.5) go(wanted);
  }, [model, version, go, seen]);

  useLayoutEffect(() => {
    if (!focus.current) return;
    const row = body.current?.querySelector<HTMLElement>(`[data-line="${model.cursor.value?.key}"]`);
    if (!row) return;
    focus.current = false;
    row.focus({ preventScroll: true });
  });

  const cursorTo = useCallback(
    (cursor: Cursor, takesFocus = true) => {
      model.cursor.value = cursor;
      focus.current = takesFocus;
      const place = model.placedAt(cursor);
      if (place) show(place, seen.value, go);
      redraw((count) => count + 1);
    },
    [model, seen, go],
  );
  return { go, cursorTo };
}

function show(place: Placed, seen: Seen, go: (top: number) => void): void {
  const end = place.top + place.height;
  if (place.top < seen.top) go(place.top);
  else if (end > seen.bottom) go(end - (seen.bottom - seen.top));
}
