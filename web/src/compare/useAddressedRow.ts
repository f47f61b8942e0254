import type { RefObject } from "preact";
import { useEffect, useRef } from "preact/hooks";
import { query, setQuery } from "../state/location.ts";
import type { Cursor, Ledger } from "./model.ts";

/** Somebody who walks down the rows does not fill the address with each of them. */
const REST_MS = 250;

/** The row of the address gets the cursor; the cursor's row stands in the address. */
export function useAddressedRow(
  body: RefObject<HTMLElement | null>,
  model: Ledger,
  go: (cursor: Cursor, focus: boolean) => void,
): void {
  const row = query.value.get("row");
  const known = useRef<{ model: Ledger; row: string | null }>({ model, row: null });
  useEffect(() => {
    if (row === null || (known.current.model === model && known.current.row === row)) return;
    known.current = { model, row };
    const controller = new AbortController();
    const arrive = (place: number | null) => {
      if (place !== null) model.seekRow(place, (cursor) => go(cursor, isIdle(body.current)));
    };
    model.placeOf(row, controller.signal).then(arrive, () => undefined); // the rows themselves tell what failed
    return () => controller.abort();
  }, [model, row]);

  const cursor = model.cursor.value;
  useEffect(() => {
    const path = cursor && model.pathAt(cursor);
    if (path === null || (known.current.model === model && known.current.row === path)) return;
    const timer = setTimeout(() => {
      known.current = { model, row: path };
      setQuery({ row: path }, { replace: true });
    }, REST_MS);
    return () => clearTimeout(timer);
  }, [model, cursor]);
}

/** Whether nothing else has the focus, such as a filter that somebody types in. */
function isIdle(body: HTMLElement | null): boolean {
  const focused = document.activeElement;
  return focused === null || focused === document.body || body?.parentElement?.contains(focused) === true;
}
