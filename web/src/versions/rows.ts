// Keys of a plain list: j and k, arrows move through its rows, Enter opens, f goes to its filter.

import type { RefObject } from "preact";
import { useEffect } from "preact/hooks";
import { isTyping } from "../state/keys.ts";

/** `j` and `k` come to the rows from wherever the focus is, `f` to what filters them; arrows only move within them:
 * elsewhere they scroll. */
export function useWayToRows(body: RefObject<HTMLElement | null>): void {
  useEffect(() => {
    const press = (event: KeyboardEvent) => {
      if (event.defaultPrevented || isTyping(event.target)) return;
      if (event.key === "f") toFilter(event);
      if (event.key !== "j" && event.key !== "k") return;
      const own = (event.target as Element | null)?.closest?.("[data-row]");
      if (own && !body.current?.contains(own)) return; // of another list on the page
      moveBetweenRows(event, body.current);
    };
    document.addEventListener("keydown", press);
    return () => document.removeEventListener("keydown", press);
  }, [body]);
}

/** Where people type what they look for on a page is marked by `data-search`. */
export function toFilter(event: KeyboardEvent): void {
  const input = document.querySelector<HTMLElement>("main [data-search]");
  if (!input || event.ctrlKey || event.metaKey || event.altKey) return;
  event.preventDefault(); // the letter is not typed into it
  input.focus();
}

/** Rows are marked by `data-row`; what Enter follows in them by `data-open`, without which they are focused themselves. */
export function moveBetweenRows(event: KeyboardEvent, body: HTMLElement | null): void {
  if (!body || event.ctrlKey || event.metaKey || event.altKey) return;
  const target = event.target as HTMLElement;
  if (target instanceof HTMLInputElement) return;
  const step = { j: 1, ArrowDown: 1, k: -1, ArrowUp: -1 }[event.key];
  if (step === undefined) return;
  const rows = [...body.querySelectorAll<HTMLElement>("[data-row]")];
  const at = rows.findIndex((row) => row.contains(target));
  const next = rows[Math.max(0, Math.min(rows.length - 1, at + step))];
  const link = next?.querySelector<HTMLElement>("[data-open]") ?? next;
  if (!link) return;
  event.preventDefault();
  event.stopPropagation();
  link.focus();
  next?.scrollIntoView({ block: "nearest" });
}
