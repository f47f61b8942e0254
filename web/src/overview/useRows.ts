import type { RefObject } from "preact";
import { useEffect, useState } from "preact/hooks";

export interface Rows {
  first: number;
  end: number;
  /** Pixels before and behind the rows that are there. */
  before: number;
  after: number;
  /** Pixels of one row. */
  row: number;
}

const FEW = 60;
const SPARE = 8;

/** Which rows of a long table are drawn while the window scrolls; all of a short one. Rows are of one height. */
export function useRows(table: RefObject<HTMLElement | null>, count: number): Rows {
  const [seen, setSeen] = useState({ top: 0, view: 900, row: 65 });
  useEffect(() => {
    if (count <= FEW) return;
    let asked = 0;
    const measure = () => {
      asked = 0;
      const body = table.current;
      if (!body) return;
      const row = body.querySelector("tr[aria-rowindex]")?.getBoundingClientRect().height;
      const next = { top: -body.getBoundingClientRect().top, view: innerHeight, row: row || 65 };
      setSeen((was) =>
        Math.abs(was.top - next.top) < 1 && was.view === next.view && was.row === next.row ? was : next,
      );
    };
    const ask = () => {
      asked ||= requestAnimationFrame(measure);
    };
    measure();
    addEventListener("scroll", ask, { passive: true });
    addEventListener("resize", ask);
    return () => {
      cancelAnimationFrame(asked);
      removeEventListener("scroll", ask);
      removeEventListener("resize", ask);
    };
  }, [count, table]);
  return count <= FEW ? { first: 0, end: count, before: 0, after: 0, row: seen.row } : rowsAt(count, seen);
}

export function rowsAt(count: number, { top, view, row }: { top: number; view: number; row: number }): Rows {
  const first = Math.min(Math.max(0, Math.floor(top / row) - SPARE), Math.max(0, count - 1));
  const end = Math.min(count, Math.max(first + 1, Math.ceil((top + view) / row) + SPARE));
  return { first, end, before: first * row, after: (count - end) * row, row };
}
