import { useSignalEffect } from "@preact/signals";
import { useRef } from "preact/hooks";
import { isContainer } from "../document/nodes.ts";
import { rowHeight } from "../document/rowheight.ts";
import { inSlots } from "../document/Tree.tsx";
import type { TreeModel } from "../document/treemodel.ts";
import { useWindow } from "../document/useWindow.ts";
import type { Condition, Kept } from "./keep.ts";
import { SourceRow } from "./SourceRow.tsx";
import type { Place } from "./shape.ts";

/** What the rows show beside the document itself. */
export interface RowFacts {
  /** null where nothing can be chosen. */
  kept: (place: Place) => Kept | null;
  /** What a kept place is called in the result, where that is another name. */
  called: (place: Place) => string | null;
  conditions: (list: Place) => readonly Condition[];
  size: (node: number, place: Place) => number;
  noise: (place: Place) => { text: string; isNoise: boolean };
  /** What the first try had there, where it was another. */
  was: (node: number, place: Place) => string | null;
}

export interface RowActs {
  toggle: (place: Place) => void;
  where: (place: Place, condition: Pick<Condition, "operator" | "value">) => void;
}

interface TreeProps {
  model: TreeModel;
  label: string;
  facts: RowFacts;
  acts: RowActs | null;
}

/** The source as rows, each with a box: arrows walk, Space keeps or drops, Enter opens and closes. */
export function SourceTree({ model, label, facts, acts }: TreeProps) {
  const box = useRef<HTMLDivElement>(null);
  const seen = useWindow(box, model.rows, rowHeight.value);
  const latest = useRef(seen);
  latest.current = seen;
  useSignalEffect(() => {
    const { row } = model.wanted.value;
    if (row >= 0) queueMicrotask(() => latest.current.scrollTo(row));
  });
  const [outline, opened] = [model.outline.value, model.opened.value];
  if (!outline || !opened) return null;
  const focus = model.focus.value;
  const hits = model.hits.value?.nodes;
  return (
    <div
      ref={box}
      role="treegrid"
      class="tree"
      tabIndex={0}
      aria-label={label}
      aria-rowcount={outline.rows.length}
      aria-activedescendant={`row-${focus}`}
      onKeyDown={(event) => press(event, model, acts, seen.perPage)}
    >
      <div class="tall" style={{ height: `${seen.height}px` }}>
        {inSlots(seen.first, seen.last, focus).map((row, slot) => {
          const node = outline.rows[row];
          if (node === undefined || node < 0) return null;
          const isOpen = isContainer(opened.doc, node) && opened.doc.size[node] !== 0 ? outline.isOpen(node) : null;
          return (
            <SourceRow
              key={slot}
              opened={opened}
              node={node}
              index={row}
              expanded={isOpen}
              focused={focus === row}
              found={hits?.includes(node) ?? false}
              top={seen.top(row)}
              facts={facts}
              acts={acts}
              focus={() => model.go(row)}
              fold={() => model.toggle(row)}
            />
          );
        })}
      </div>
    </div>
  );
}

function press(event: KeyboardEvent, model: TreeModel, acts: RowActs | null, page: number): void {
  if (event.altKey || event.ctrlKey || event.metaKey || event.target !== event.currentTarget) return;
  const focus = model.focus.peek();
  const outline = model.outline.peek();
  const node = model.node();
  const isOpen = outline !== null && node >= 0 && outline.isOpen(node);
  const moves: Record<string, () => void> = {
    ArrowDown: () => model.go(focus + 1),
    ArrowUp: () => model.go(focus - 1),
    PageDown: () => model.go(focus + page),
    PageUp: () => model.go(focus - page),
    Home: () => model.go(0),
    End: () => model.go(Number.MAX_SAFE_INTEGER),
    ArrowRight: () => (isOpen ? model.go(focus + 1) : model.toggle(focus)),
    ArrowLeft: () => (isOpen ? model.toggle(focus) : model.go(model.above(focus))),
    Enter: () => model.toggle(focus),
    ...(acts ? { " ": () => clickRow(event.currentTarget as HTMLElement, focus) } : {}),
  };
  const move = moves[event.key];
  if (!move) return;
  event.preventDefault();
  event.stopPropagation();
  move();
}

/** The row's own box is what Space presses. */
function clickRow(tree: HTMLElement, row: number): void {
  tree.querySelector<HTMLElement>(`#row-${row} [role=checkbox]`)?.click();
}
