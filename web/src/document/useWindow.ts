/**
 * Which rows of a long list are seen. Rows have one height; past 8 million pixels the scrollbar is scaled, since browsers
 * lay out no longer ones.
 */

import type { RefObject } from "preact";
import { useCallback, useLayoutEffect, useState } from "preact/hooks";

const TALLEST = 8_000_000;
const MARGIN = 8;

export interface Seen {
  first: number;
  last: number;
  /** Height of what scrolls. */
  height: number;
  top: (row: number) => number;
  scrollTo: (row: number) => void;
  scrollBy: (rows: number) => void;
  perPage: number;
}

export function useWindow(box: RefObject<HTMLElement | null>, rows: number, rowHeight: number): Seen {
  const [{ scroll, view }, setPlace] = useState({ scroll: 0, view: 600 });
  const measure = useCallback(() => {
    const at = box.current;
    if (at)
      setPlace((old) =>
        old.scroll === at.scrollTop && old.view === at.clientHeight
          ? old
          : { scroll: at.scrollTop, view: at.clientHeight },
      );
  }, [box]);
  useLayoutEffect(() => {
    const at = box.current;
    if (!at) return undefined;
    measure();
    at.addEventListener("scroll", measure, { passive: true });
    const sized = new ResizeObserver(measure);
    sized.observe(at);
    return () => {
      at.removeEventListener("scroll", measure);
      sized.disconnect();
    };
  }, [box, measure]);
  const total = rows * rowHeight + 8;
  const height = Math.min(total, TALLEST);
  const ratio = height > view ? Math.max(1, (total - view) / (height - view)) : 1;
  const virtual = scroll * ratio;
  const first = Math.max(0, Math.floor(virtual / rowHeight) - MARGIN);
  return {
    first,
    last: Math.min(rows - 1, Math.ceil((virtual + view) / rowHeight) + MARGIN),
    height,
    top: (row) => Math.round(scroll + row * rowHeight + 4 - virtual),
    scrollTo: (row) => {
      const at = box.current;
      if (!at) return;
      const [from, to] = [row * rowHeight, (row + 1) * rowHeight + 8];
      const now = at.scrollTop * ratio;
      if (from < now) at.scrollTop = Math.max(0, (from - rowHeight * 2) / ratio);
      else if (to > now + at.clientHeight) at.scrollTop = (to - at.clientHeight + rowHeight * 2) / ratio;
      measure();
    },
    scrollBy: (by) => {
      if (box.current) box.current.scrollTop += (by * rowHeight) / ratio;
      measure();
    },
    perPage: Math.max(1, Math.floor(view / rowHeight) - 1),
  };
}
