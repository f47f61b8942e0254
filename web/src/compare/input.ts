// The pointer and the keys on the rows of a ledger.

import type { Line } from "./lines.ts";
import type { Cursor, Ledger } from "./model.ts";

/** What is wanted of a line: to fold or unfold it, its document, its texts whole, its path or its value copied. */
export type Act = (line: Line, what: "toggle" | "document" | "whole" | "path" | "value") => void;

const PAGE = 20;
const STEPS: Record<string, number> = {
  ArrowDown: 1,
  j: 1,
  ArrowUp: -1,
  k: -1,
  PageDown: PAGE,
  PageUp: -PAGE,
};

export function pressed(event: KeyboardEvent, model: Ledger, act: Act, go: (cursor: Cursor) => void): void {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const cursor = model.cursor.value;
  const place = cursor && model.placedAt(cursor);
  if (!cursor || !place) return;
  const step = STEPS[event.key];
  if (step !== undefined) go(model.beside(cursor, step));
  else if (event.key === "Home") go({ window: 0, key: model.lines(0)?.[0]?.key ?? cursor.key });
  else if (event.key === "End") toEnd(model, go);
  else if (event.key === "ArrowRight" || event.key === "ArrowLeft") sideways(event, place.line, act, go, model, cursor);
  else if (event.key === " ") act(place.line, place.line.kind === "change" ? "whole" : "toggle");
  else if (event.key === "Enter") act(place.line, "document");
  else if (event.key === "y") act(place.line, "path");
  else if (event.key === "Y") act(place.line, "value");
  else return;
  event.preventDefault();
  event.stopPropagation();
}

function toEnd(model: Ledger, go: (cursor: Cursor) => void): void {
  const window = model.geometry.windows - 1;
  const last = model.lines(window)?.at(-1);
  if (last) go({ window, key: last.key });
  else model.seek(window, go);
}

/** Right opens, then enters the cells; left leaves them, then closes, then goes to the record's head. */
function sideways(
  event: KeyboardEvent,
  line: Line,
  act: Act,
  go: (cursor: Cursor) => void,
  model: Ledger,
  cursor: Cursor,
): void {
  const target = event.target as HTMLElement;
  const row = target.closest<HTMLElement>("[role=row]");
  const cells = [...(row?.querySelectorAll<HTMLElement>("[role=gridcell].cell, [role=gridcell].note") ?? [])];
  const at = cells.indexOf(target);
  const open = row?.getAttribute("aria-expanded");
  if (event.key === "ArrowRight") {
    if (open === "false") act(line, "toggle");
    else enter(cells[at + 1]);
  } else if (at > 0) enter(cells[at - 1]);
  else if (at === 0) row?.focus();
  else if (open === "true") act(line, "toggle");
  else go(model.headOf(cursor));
}

function enter(cell: HTMLElement | undefined): void {
  if (!cell) return;
  cell.tabIndex = -1;
  cell.focus();
}

export function clicked(event: MouseEvent, model: Ledger, act: Act): void {
  const target = event.target as HTMLElement;
  if (target.closest("a") || String(getSelection() ?? "") !== "") return;
  const row = target.closest<HTMLElement>("[data-line]");
  if (!row) return;
  const cursor = { window: Number(row.dataset.window), key: row.dataset.line ?? "" };
  model.cursor.value = cursor;
  const place = model.placedAt(cursor);
  if (place && (place.line.kind === "head" || place.line.kind === "whole" || place.line.kind === "rest"))
    act(place.line, "toggle");
  else if (place && event.detail === 2) act(place.line, "whole");
}

/** While text is selected on one side, the other is not taken along. */
export function oneSideOnly(event: MouseEvent): void {
  const grid = event.currentTarget as HTMLElement;
  const cell = (event.target as HTMLElement).closest(".cell");
  const row = cell?.parentElement;
  const side = cell && row ? [...row.querySelectorAll(".cell")].indexOf(cell) : -1;
  grid.classList.toggle("take-a", side === 0);
  grid.classList.toggle("take-b", side === 1);
}
