// biome-ignore-all lint/a11y/useFocusableInteractive: the treegrid has the focus and names its active row
// biome-ignore-all lint/a11y/useSemanticElements: rows stand where they are scrolled to, which no table's do
// biome-ignore-all lint/a11y/useKeyWithClickEvents: the treegrid hears the keys
import type { VNode } from "preact";

import { Icon } from "../parts/Icon";
import type { Ghost } from "./marks";
import type { Opened } from "./opened";
import type { Extra } from "./outline";
import { ghostView } from "./rowview";
import type { RowActions } from "./TreeRow";

interface Given {
  index: number;
  top: number;
  focused: boolean;
  on: RowActions;
}

/** What is gone from this version, where it stood. */
export function GhostRow({ index, top, focused, on, opened, ghost }: Given & { opened: Opened; ghost: Ghost }): VNode {
  const { level, name, label, value } = ghostView(opened, ghost);
  return (
    <div
      role="row"
      id={`row-${index}`}
      class={`row removed ghost${focused ? " focus" : ""}`}
      aria-level={level}
      aria-rowindex={index + 1}
      style={{ transform: `translateY(${top}px)` }}
      onClick={() => on.focus(index)}
    >
      <span class="g removed">
        <i aria-hidden="true">−</i>
        <span class="sr">gone</span>
      </span>
      <span
        role="gridcell"
        class="kv"
        id={`row-${index}-1`}
        style={{ paddingLeft: `calc(var(--indent) * ${Math.min(level - 1, 24)})` }}
      >
        <span class="tw" />
        <span class="k">{label === null && name}</span>
        {label !== null && <span class="label">{label}</span>}
        {value && (
          <span class="was">
            <s>
              <del>{value}</del>
            </s>
          </span>
        )}
        <span class="meta">gone in this version</span>
      </span>
    </div>
  );
}

/** Unchanged neighbours, counted where they are. */
export function FoldRow({ index, top, focused, on, fold }: Given & { fold: Extra & { kind: "fold" } }): VNode {
  return (
    <div
      role="row"
      id={`row-${index}`}
      class={`row fold${focused ? " focus" : ""}`}
      aria-level={fold.depth + 1}
      aria-rowindex={index + 1}
      aria-expanded={false}
      style={{ transform: `translateY(${top}px)` }}
      onClick={() => [on.focus(index), on.toggle(index)]}
    >
      <span class="g" />
      <span
        role="gridcell"
        class="kv"
        id={`row-${index}-1`}
        style={{ paddingLeft: `calc(var(--indent) * ${Math.min(fold.depth, 24)})` }}
      >
        <span class="tw">
          <Icon name="right" />
        </span>
        <span class="meta">{fold.count.toLocaleString()} unchanged</span>
      </span>
    </div>
  );
}
