// Keys that move through the rows of a plain table: j and k, arrows, Enter opens.

import type { RefObject } from "preact";
import { useEffect } from "preact/hooks";
import { isTyping } from "../state/keys.ts";

/** `j` and `k` come to the rows from wherever the focus is, arrows only within them: elsewhere they scroll. */
export function useWayToRows(body: RefObject<HTMLElement | null>): void {
  useEffect(() => {
    const press = (event: KeyboardEvent) => {
      if (event.defaultPrevented || (event.key !== "j" && event.key !== "k") || isTyping(event.target)) return;
      moveBetweenRows(event, body.current);
    };
    document.addEventListener("keydown", press);
    return () => document.removeEventListener("keydown", press);
  }, [body]);
}

/** Rows are marked by `data-row`; what Enter follows in them by `data-open`. */
export function moveBetweenRows(event: KeyboardEvent, body: HTMLElement | null): void {
  if (!body || event.ctrlKey || event.metaKey || event.altKey) return;
  const target = event.target as HTMLElement;
  if (target instanceof HTMLInputElement) return;
  const step = { j: 1, ArrowDown: 1, k: -1, ArrowUp: -1 }[event.key];
  if (step === undefined) return;
  const rows = [...body.querySelectorAll<HTMLElement>("[data-row]")];
  const at = rows.findIndex((row) => row.contains(target));
  const next = rows[Math.max(0, Math.min(rows.length - 1, at + step))];
  const link = next?.querySelector<HTMLElement>("[data-open]");
  if (!link) return;
  event.preventDefault();
  event.stopPropagation();
  link.focus();
  next?.scrollIntoView({ block: "nearest" });
}
