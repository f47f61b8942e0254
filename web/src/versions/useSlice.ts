import type { RefObject } from "preact";
import { useLayoutEffect, useState } from "preact/hooks";
import { scrollerOf, watchScroller } from "../compare/scroll.ts";

export interface Slice {
  first: number;
  /** Behind the last. */
  end: number;
}

const OVERSCAN = 12;

/** Which rows of one height are seen of a list of `count`. `near` is called when the last of them is near. */
export function useSlice(
  list: RefObject<HTMLElement | null>,
  count: number,
  height: number,
  near: (() => void) | null,
): Slice {
  const [slice, setSlice] = useState<Slice>({ first: 0, end: Math.min(count, 60) });
  useLayoutEffect(() => {
    const element = list.current;
    if (!element) return;
    const scroller = scrollerOf(element);
    const read = () => {
      const edge = scroller === document.documentElement ? 0 : scroller.getBoundingClientRect().top;
      const next = sliceOf(edge - element.getBoundingClientRect().top, scroller.clientHeight, count, height);
      setSlice((before) => (before.first === next.first && before.end === next.end ? before : next));
      if (near && next.end >= count - OVERSCAN) near();
    };
    return watchScroller(scroller, read);
  }, [list, count, height, near]);
  return slice;
}

export function sliceOf(hidden: number, view: number, count: number, height: number): Slice {
  const first = Math.max(0, Math.floor(hidden / height) - OVERSCAN);
  const end = Math.min(count, Math.ceil((hidden + view) / height) + OVERSCAN);
  return { first: Math.min(first, Math.max(0, count - 1)), end: Math.max(end, 0) };
}
