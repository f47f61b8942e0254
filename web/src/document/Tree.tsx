import { useSignalEffect } from "@preact/signals";
import type { VNode } from "preact";
import { useRef } from "preact/hooks";

import { FoldRow, GhostRow } from "./ExtraRows";
import { isContainer } from "./nodes";
import type { Opened } from "./opened";
import type { Outline } from "./outline";
import { rowView } from "./rowview";
import type { SinceOf } from "./since";
import { type RowActions, TreeRow } from "./TreeRow";
import type { TreeModel } from "./treemodel";
import { useWindow } from "./useWindow";

export interface TreeProps {
  model: TreeModel;
  label: string;
  rowHeight: number;
  zone: string;
  shownMs: number;
  /** What stands behind each value; null where nothing does. */
  since: SinceOf | null;
  on: RowActions & { seen: (nodes: number[]) => void };
}

/** The document as rows, of which those in sight are there: elements that leave on one side come back on the other. */
export function Tree(props: TreeProps): VNode | null {
  const { model, on } = props;
  const box = useRef<HTMLDivElement>(null);
  const seen = useWindow(box, model.rows, props.rowHeight);
  const latest = useRef(seen);
  latest.current = seen;
  useSignalEffect(() => {
    const { row } = model.wanted.value;
    if (row >= 0) queueMicrotask(() => latest.current.scrollTo(row));
  });
  useSignalEffect(() => {
    const { rows } = model.shift.value;
    if (rows !== 0) latest.current.scrollBy(rows);
  });
  const outline = model.outline.value;
  const opened = model.opened.value;
  if (!outline || !opened) return null;
  const focus = model.focus.value;
  const cell = model.cell.value;
  const shown = inSlots(seen.first, seen.last, focus);
  on.seen(shown.map((row) => (row < 0 ? -1 : (outline.rows[row] ?? -1))).filter((node) => node >= 0));
  return (
    <div
      ref={box}
      role="treegrid"
      class="tree"
      tabIndex={0}
      aria-label={props.label}
      aria-rowcount={outline.rows.length}
      aria-activedescendant={cell > 0 ? `row-${focus}-${cell}` : `row-${focus}`}
      onKeyDown={(event) => keys(event, props, seen.perPage)}
    >
      <div class="tall" style={{ height: `${seen.height}px` }}>
        {shown.map((row, slot) =>
          row < 0 ? null : (
            <AnyRow key={slot} {...props} row={row} outline={outline} opened={opened} top={seen.top(row)} />
          ),
        )}
      </div>
    </div>
  );
}

/** Each row's slot is its number modulo the slots, so that scrolling moves few elements; the focused row has its own. */
export function inSlots(first: number, last: number, focus: number): number[] {
  const slots = Math.ceil((last - first + 1) / 20) * 20;
  const shown = new Array<number>(slots + 1).fill(-1);
  for (let row = first; row <= last; row += 1) shown[row % slots] = row;
  if (focus < first || focus > last) shown[slots] = focus;
  return shown;
}

function AnyRow({
  row,
  outline,
  opened,
  top,
  ...props
}: TreeProps & { row: number; outline: Outline; opened: Opened; top: number }): VNode | null {
  const { model, on } = props;
  const at = outline.rows[row];
  if (at === undefined) return null;
  const focused = model.focus.value === row;
  if (at < 0) {
    const extra = outline.extra(at);
    const given = { index: row, top, focused, on };
    return extra.kind === "fold" ? (
      <FoldRow {...given} fold={extra} />
    ) : (
      <GhostRow {...given} opened={opened} ghost={extra.ghost} />
    );
  }
  const container = isContainer(opened.doc, at) && opened.doc.size[at] !== 0;
  const hits = model.hits.value?.nodes;
  return (
    <TreeRow
      view={rowView(opened, at)}
      index={row}
      expanded={container ? outline.isOpen(at) : null}
      focused={focused}
      cell={model.cell.value}
      found={hits !== undefined && has(hits, at)}
      query={model.query.value}
      since={container ? null : (props.since?.(at) ?? null)}
      aside={props.since !== null}
      zone={props.zone}
      nowMs={props.shownMs}
      top={top}
      on={on}
    />
  );
}

function has(sorted: Int32Array, node: number): boolean {
  let low = 0;
  let high = sorted.length - 1;
  while (low <= high) {
    const middle = (low + high) >> 1;
    const at = sorted[middle] as number;
    if (at === node) return true;
    if (at < node) low = middle + 1;
    else high = middle - 1;
  }
  return false;
}

/** Rows first; Right opens, then enters the cells. */
function keys(event: KeyboardEvent, { model, on, since }: TreeProps, page: number): void {
  if (event.altKey || event.ctrlKey || event.metaKey) return;
  const focus = model.focus.peek();
  const moves: Record<string, () => void> = {
    ArrowDown: () => model.go(focus + 1),
    ArrowUp: () => model.go(focus - 1),
    PageDown: () => model.go(focus + page),
    PageUp: () => model.go(focus - page),
    Home: () => model.go(0),
    End: () => model.go(Number.MAX_SAFE_INTEGER),
    ArrowRight: () => right(model, since ? 3 : 1),
    ArrowLeft: () => left(model),
    Enter: () => (model.cell.peek() >= 2 ? on.history(focus) : model.toggle(focus)),
  };
  const move = moves[event.key];
  if (!move) return;
  event.preventDefault();
  event.stopPropagation();
  move();
}

function right(model: TreeModel, cells: number): void {
  const focus = model.focus.peek();
  const outline = model.outline.peek();
  const at = outline?.rows[focus];
  if (!outline || at === undefined) return;
  const closed = at < 0 || (isContainer(outline.doc, at) && outline.doc.size[at] !== 0 && !outline.isOpen(at));
  if (closed && model.cell.peek() === 0) model.toggle(focus);
  else model.cell.value = Math.min(cells, model.cell.peek() + 1);
}

function left(model: TreeModel): void {
  const focus = model.focus.peek();
  const outline = model.outline.peek();
  const at = outline?.rows[focus];
  if (!outline || at === undefined) return;
  if (model.cell.peek() > 0) model.cell.value -= 1;
  else if (at >= 0 && isContainer(outline.doc, at) && outline.isOpen(at)) model.toggle(focus);
  else model.go(model.above(focus));
}
