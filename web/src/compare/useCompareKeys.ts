import { useEffect, useRef } from "preact/hooks";
import { isTyping } from "../state/keys.ts";
import { query, setQuery } from "../state/location.ts";
import { askedOf, type Ends } from "./ends.ts";

type Step = "previousChange" | "nextChange";

/**
 * The keys of the page itself, wherever the focus is: layout, B one change on or back, the way to the rows. A step that
 * comes while the moments are still fetched is made once they are there: it would begin where they were.
 */
export function useCompareKeys(ends: Ends | undefined, isSettled: boolean): void {
  const known = useRef({ ends, isSettled });
  known.current = { ends, isSettled }; // a key may come before the effects of what is drawn
  const waiting = useRef<Step | null>(null);
  const step = (side: Step) => {
    const { ends, isSettled } = known.current;
    const is = isSettled && ends?.asked === askedOf(query.value.get("a"), query.value.get("b"));
    waiting.current = is ? null : side;
    const ms = is ? ends?.b[side] : null;
    if (typeof ms === "number") setQuery({ b: new Date(ms).toISOString() });
  };
  useEffect(() => {
    if (isSettled && waiting.current) step(waiting.current);
  }, [ends, isSettled]);
  useEffect(() => {
    const acts: Record<string, () => void> = {
      v: () => setQuery({ view: query.value.get("view") === "inline" ? null : "inline" }),
      o: () => setQuery({ all: query.value.get("all") === "1" ? null : "1" }),
      "[": () => step("previousChange"),
      "]": () => step("nextChange"),
      ".": () => {
        waiting.current = null;
        setQuery({ b: null });
      },
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
