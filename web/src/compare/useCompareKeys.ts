import { useEffect, useRef } from "preact/hooks";
import { isTyping } from "../state/keys.ts";
import { query, setQuery } from "../state/location.ts";
import type { Ends } from "./ends.ts";

/** The keys of the page itself, wherever the focus is: layout, B one change on or back, the way to the rows. */
export function useCompareKeys(ends: Ends | undefined): void {
  const latest = useRef(ends);
  latest.current = ends; // a key may come before the effects of what is drawn
  useEffect(() => {
    const step = (ms: number | null | undefined) => {
      if (typeof ms === "number") setQuery({ b: new Date(ms).toISOString() });
    };
    const acts: Record<string, () => void> = {
      v: () => setQuery({ view: query.value.get("view") === "inline" ? null : "inline" }),
      o: () => setQuery({ all: query.value.get("all") === "1" ? null : "1" }),
      "[": () => step(latest.current?.b.previousChange),
      "]": () => step(latest.current?.b.nextChange),
      ".": () => setQuery({ b: null }),
      j: toRows,
      k: toRows,
    };
    const pressed = (event: KeyboardEvent) => {
      if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey || isTyping(event.target)) return;
      const act = acts[event.key];
      if (!act) return;
      event.preventDefault();
      act();
    };
    document.addEventListener("keydown", pressed);
    return () => document.removeEventListener("keydown", pressed);
  }, []);
}

/** To the row of a ledger that was focused last, else to the first. */
function toRows(): void {
  document.querySelector<HTMLElement>(".ledger .grid[tabindex='0'], .ledger .cr[tabindex='0']")?.focus();
}
