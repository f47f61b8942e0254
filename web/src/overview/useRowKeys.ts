import { useEffect } from "preact/hooks";
import { isTyping } from "../state/keys.ts";
import { moveBetweenRows } from "../versions/rows.ts";

/** `j k` go from row to row, `f` to the filter. */
export function useRowKeys(): void {
  useEffect(() => {
    const press = (event: KeyboardEvent) => {
      if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey || isTyping(event.target)) return;
      if (event.key === "j" || event.key === "k") moveBetweenRows(event, document.querySelector(".list tbody"));
      const field = event.key === "f" ? filter() : undefined;
      if (!field) return;
      event.preventDefault();
      field.focus();
    };
    document.addEventListener("keydown", press);
    return () => document.removeEventListener("keydown", press);
  }, []);
}

function filter(): HTMLElement | undefined {
  return document.querySelector<HTMLElement>(".list .filter input") ?? undefined;
}
