import { useEffect } from "preact/hooks";
import { isTyping } from "../state/keys.ts";

/** `j k` go from row to row, `f` to the filter. */
export function useRowKeys(): void {
  useEffect(() => {
    const press = (event: KeyboardEvent) => {
      if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey || isTyping(event.target)) return;
      const found =
        event.key === "j" ? beside(1) : event.key === "k" ? beside(-1) : event.key === "f" ? filter() : undefined;
      if (!found) return;
      event.preventDefault();
      found.focus();
    };
    document.addEventListener("keydown", press);
    return () => document.removeEventListener("keydown", press);
  }, []);
}

function beside(by: number): HTMLElement | undefined {
  const rows = [...document.querySelectorAll<HTMLElement>("[data-row]")];
  const at = rows.indexOf(document.activeElement as HTMLElement);
  return at < 0 ? rows[0] : rows[Math.min(rows.length - 1, Math.max(0, at + by))];
}

function filter(): HTMLElement | undefined {
  return document.querySelector<HTMLElement>(".list .filter input") ?? undefined;
}
