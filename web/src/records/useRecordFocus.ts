import type { RefObject } from "preact";
import { useEffect, useRef } from "preact/hooks";
import { isTyping } from "../state/keys.ts";
import { query, setQuery } from "../state/location.ts";

/** Escape goes back a step, from a comparison to the record, from an older version to the newest, from the record to the
 * list; and the focus is where somebody left the list, or, where the list makes room for the record, at its way back. */
export function useRecordFocus(list: RefObject<HTMLElement | null>, chosen: string | null): void {
  const before = useRef(chosen);
  useEffect(() => {
    const left = before.current;
    before.current = chosen;
    if (left === chosen || !isLost(document.activeElement)) return;
    if (chosen !== null) document.querySelector<HTMLElement>(".record-head .back")?.focus();
    else if (left !== null) rowOf(list.current, left)?.focus();
  }, [chosen]);
  useEffect(() => {
    const pressed = (event: KeyboardEvent) => {
      if (event.key !== "Escape" || event.defaultPrevented || isTyping(event.target)) return;
      const asked = query.value;
      if (!asked.has("record") || document.querySelector(":popover-open")) return; // the browser closes that
      event.preventDefault();
      if (asked.has("from")) setQuery({ from: null, row: null });
      else if (asked.has("version")) setQuery({ version: null });
      else {
        (document.activeElement as HTMLElement | null)?.blur(); // what has the focus goes with the record
        setQuery({ record: null });
      }
    };
    document.addEventListener("keydown", pressed);
    return () => document.removeEventListener("keydown", pressed);
  }, []);
}

/** The first row that can be opened: from the filter, Enter goes there. */
export function enterList(list: HTMLElement | null): void {
  list?.querySelector<HTMLElement>("[data-row] [data-open]")?.focus();
}

function rowOf(list: HTMLElement | null, record: string): HTMLElement | null {
  const rows = [...(list?.querySelectorAll<HTMLElement>("[data-record]") ?? [])];
  return rows.find((row) => row.dataset.record === record)?.querySelector<HTMLElement>("[data-open]") ?? null;
}

/** Whether the focus is nowhere, or on what is not drawn any more. */
function isLost(active: Element | null): boolean {
  return active === null || active === document.body || (active as HTMLElement).offsetParent === null;
}
