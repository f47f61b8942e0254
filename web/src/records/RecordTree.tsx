import { useSignal } from "@preact/signals";
import { rawText, unquoted } from "../document/nodes.ts";
import { pointer } from "../document/paths.ts";
import { type MenuItem, RowMenu } from "../document/RowMenu.tsx";
import { rowHeight } from "../document/rowheight.ts";
import { SearchBar } from "../document/SearchBar.tsx";
import { TextView } from "../document/TextView.tsx";
import { Tree } from "../document/Tree.tsx";
import { Loading } from "../parts/Loading.tsx";
import { copied } from "../state/copying.ts";
import { zone } from "../state/zone.ts";
import type { RecordModel } from "./model.ts";

/** The content of a version, as snapshots are shown: as a tree with what changed, or as its exact text. */
export function RecordTree({ model, label, shownMs }: { model: RecordModel; label: string; shownMs: number }) {
  const menu = useSignal<{ row: number; x: number; y: number } | null>(null);
  const { tree } = model;
  const opened = tree.opened.value;
  if (model.broken.value !== null) return <p class="said">The content is no JSON: {model.broken.value}.</p>;
  if (!opened) return <Loading label="Opening the record" />;
  return (
    <>
      <SearchBar model={model} aside={false} />
      {tree.show.value === "text" ? (
        <TextView opened={opened} rowHeight={20} label={label} />
      ) : (
        <Tree
          model={tree}
          label={label}
          rowHeight={rowHeight.value}
          zone={zone.value}
          shownMs={shownMs}
          since={null}
          on={{
            toggle: (row) => tree.toggle(row),
            focus: (row) => tree.go(row),
            history: () => undefined,
            menu: (row, event) => {
              event.preventDefault();
              tree.go(row);
              menu.value = { row, x: event.clientX, y: event.clientY };
            },
            keySetting: null,
            seen: () => undefined,
          }}
        />
      )}
      {menu.value && (
        <RowMenu at={menu.value} items={itemsOf(model, menu.value.row)} onClose={() => (menu.value = null)} />
      )}
    </>
  );
}

function itemsOf(model: RecordModel, row: number): MenuItem[] {
  return [
    { name: "Copy the value", keys: "Y", act: () => copyValue(model, row) },
    { name: "Copy the pointer", act: () => copyPointer(model, row) },
    { name: "Copy the key path", keys: "y", act: () => copyPath(model, row) },
  ];
}

export function copyPath({ tree }: RecordModel, row?: number): void {
  void copied(tree.path(row) ?? "", "The key path is copied");
}

function copyPointer({ tree }: RecordModel, row: number): void {
  const opened = tree.opened.peek();
  const node = tree.node(row);
  if (opened && node >= 0) void copied(pointer(opened.doc, node), "The pointer is copied");
}

/** Texts as they read, all else as the record writes it. */
export function copyValue({ tree }: RecordModel, row?: number): void {
  const opened = tree.opened.peek();
  const node = tree.node(row);
  if (!opened || node < 0) return;
  const text = rawText(opened.doc, node);
  void copied(text.startsWith('"') ? unquoted(text) : text, "The value is copied");
}
