import { useEffect } from "preact/hooks";
import { isTyping } from "../state/keys.ts";
import { moveBetweenRows } from "../versions/rows.ts";

/** `j k` go from row to row. */
export function useRowKeys(): void {
  useEffect(() => {
    const press = (event: KeyboardEvent) => {
      if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey || isTyping(event.target)) return;
      if (event.key === "j" || event.key === "k") moveBetweenRows(event, document.querySelector(".list tbody"));
    };
    document.addEventListener("keydown", press);
    return () => document.removeEventListener("keydown", press);
  }, []);
}
