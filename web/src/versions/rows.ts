// Keys of a plain list: j and k, arrows move through its rows, Enter opens.

import type { RefObject } from "preact";
import { useEffect } from "preact/hooks";
import { scrollerOf } from "../compare/scroll.ts";
import { isTyping } from "../state/keys.ts";

/** `j` and `k` come to the rows from wherever the focus is; arrows only move within them: elsewhere they scroll. */
export function useWayToRows(body: RefObject<HTMLElement | null>): void {
  useEffect(() => {
    const press = (event: KeyboardEvent) => {
      if (event.key === "Escape") leaveFilter(event.target);
      if (event.defaultPrevented || isTyping(event.target)) return;
      if (event.key !== "j" && event.key !== "k") return;
      const own = (event.target as Element | null)?.closest?.("[data-row]");
      if (own && !body.current?.contains(own)) return; // of another list on the page
      moveBetweenRows(event, body.current);
    };
    document.addEventListener("keydown", press);
    return () => document.removeEventListener("keydown", press);
  }, [body]);
}

/** A filter that is empty lets the keys go on among the rows; from another, Escape takes what stands in it first. */
function leaveFilter(target: EventTarget | null): void {
  if (target instanceof HTMLInputElement && "search" in target.dataset && target.value === "") target.blur();
}

/** Rows are marked by `data-row`; what Enter follows in them by `data-open`, without which they are focused themselves.
 * Those of a list of which only a part is drawn have an `aria-rowindex`: the next one is brought into view first. */
export function moveBetweenRows(event: KeyboardEvent, body: HTMLElement | null): void {
  if (!body || event.ctrlKey || event.metaKey || event.altKey) return;
  const target = event.target as HTMLElement;
  if (target instanceof HTMLInputElement) return;
  const step = { j: 1, ArrowDown: 1, k: -1, ArrowUp: -1 }[event.key];
  if (step === undefined) return;
  const rows = [...body.querySelectorAll<HTMLElement>("[data-row]")];
  const at = rows.findIndex((row) => row.contains(target));
  const isPartly = rows.some((row) => indexOf(row) !== null);
  const moved = isPartly ? moveByIndex(body, rows, at, step) : enter(rows[within(at + step, 0, rows.length - 1)]);
  if (!moved) return;
  event.preventDefault();
  event.stopPropagation();
}

/** Where somebody was in a list whose rows went while they scrolled. */
const lastIn = new WeakMap<HTMLElement, number>();
/** Lists whose row of `lastIn` is not drawn yet: a quick finger goes on from there, not from the row that still has the focus. */
const awaited = new WeakSet<HTMLElement>();
const FIRST = 2; // the head is row 1

function moveByIndex(body: HTMLElement, rows: readonly HTMLElement[], at: number, step: number): boolean {
  const last = lastIn.get(body);
  const here = (awaited.has(body) ? last : indexOf(rows[at])) ?? last ?? FIRST - 1;
  const count = Number(body.closest("[aria-rowcount]")?.getAttribute("aria-rowcount") ?? 0);
  const index = within(here + step, FIRST, count);
  lastIn.set(body, index);
  const drawn = rows.find((row) => indexOf(row) === index);
  awaited.delete(body);
  if (drawn) return enter(drawn);
  const [first] = rows;
  if (!first) return false;
  const from = first.getBoundingClientRect();
  const scroller = scrollerOf(body);
  const away = (index - (indexOf(first) as number)) * from.height;
  const edge = scroller === document.documentElement ? 0 : scroller.getBoundingClientRect().top;
  scroller.scrollBy(0, from.top + away - edge - scroller.clientHeight / 2);
  awaited.add(body);
  whenDrawn(body, index, FRAMES);
  return true;
}

/** A list is drawn anew in the frame after it was scrolled, or in one of the next. */
const FRAMES = 10;

function whenDrawn(body: HTMLElement, index: number, frames: number): void {
  requestAnimationFrame(() => {
    if (lastIn.get(body) !== index) return; // another key came meanwhile
    const drawn = body.querySelector<HTMLElement>(`[data-row][aria-rowindex="${index}"]`);
    if (!drawn && frames > 0) return whenDrawn(body, index, frames - 1);
    awaited.delete(body);
    enter(drawn ?? undefined);
  });
}

function enter(row: HTMLElement | undefined): boolean {
  if (!row) return false;
  (row.querySelector<HTMLElement>("[data-open]") ?? row).focus();
  row.scrollIntoView({ block: "nearest" });
  return true;
}

function indexOf(row: HTMLElement | undefined): number | null {
  const text = row?.getAttribute("aria-rowindex");
  return text ? Number(text) : null;
}

function within(value: number, least: number, most: number): number {
  return Math.max(least, Math.min(most, value));
}
