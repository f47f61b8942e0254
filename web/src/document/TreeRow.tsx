// biome-ignore-all lint/a11y/useFocusableInteractive: the treegrid has the focus and names its active row
// biome-ignore-all lint/a11y/useSemanticElements: rows stand where they are scrolled to, which no table's do
// biome-ignore-all lint/a11y/useKeyWithClickEvents: the treegrid hears the keys
import type { VNode } from "preact";
import { placeOf } from "../folding";
import { Icon } from "../parts/Icon";
import { Marked } from "../parts/Marked.tsx";
import { href } from "../state/location";
import { reading } from "../time/clock";
import { Chips } from "./Chips";
import type { Glyph, RowView } from "./rowview";
import type { Since } from "./since";

export interface TreeRowProps {
  view: RowView;
  /** 1 is the document. */
  index: number;
  expanded: boolean | null;
  focused: boolean;
  /** Which cell has the focus within the row: none, value, changes, since. */
  cell: number;
  found: boolean;
  query: string;
  since: Since | null;
  /** With cells for that. */
  aside: boolean;
  zone: string;
  nowMs: number;
  top: number;
  on: RowActions;
}

export interface RowActions {
  toggle: (index: number) => void;
  focus: (index: number) => void;
  history: (index: number) => void;
  menu: (index: number, event: MouseEvent) => void;
  /** Where the key of an array is set; null where none can be. */
  keySetting: ((array: string, fields: readonly string[]) => string) | null;
}

const GLYPHS: Record<Exclude<Glyph, null>, string> = { added: "+", removed: "−", changed: "~", moved: "↕" };
export const INDENT = { wide: 18, narrow: 10 };

export function TreeRow(props: TreeRowProps): VNode {
  const { view, index, on, expanded } = props;
  const classes = [
    "row",
    view.state,
    view.isRecord ? "rec" : "",
    index === 0 ? "root" : "",
    props.focused ? "focus" : "",
    props.found ? "hit" : "",
  ];
  return (
    <div
      role="row"
      id={`row-${index}`}
      class={classes.filter(Boolean).join(" ")}
      aria-level={view.level}
      aria-rowindex={index + 1}
      aria-expanded={expanded ?? undefined}
      style={{ transform: `translateY(${props.top}px)` }}
      onClick={() => on.focus(index)}
      onDblClick={() => expanded !== null && on.toggle(index)}
      onContextMenu={(event) => on.menu(index, event)}
    >
      <span class={`g ${view.glyph ?? ""}`}>
        {view.glyph && (
          <>
            <i aria-hidden="true">{GLYPHS[view.glyph]}</i>
            <span class="sr">{spoken(view)}</span>
          </>
        )}
      </span>
      <span
        role="gridcell"
        class={cellClass("kv", props, 1)}
        id={`row-${index}-1`}
        style={{ paddingLeft: `calc(var(--indent) * ${Math.min(view.level - 1, 24)})` }}
      >
        {expanded === null ? (
          <span class="tw" />
        ) : (
          <button
            class="tw"
            type="button"
            tabIndex={-1}
            aria-label={expanded ? "Collapse" : "Expand"}
            onClick={(event) => [event.stopPropagation(), on.toggle(index)]}
          >
            <Icon name={expanded ? "down" : "right"} />
          </button>
        )}
        <Name view={view} query={props.query} />
        <Value {...props} />
      </span>
      {props.aside && <SinceCells {...props} />}
    </div>
  );
}

function cellClass(base: string, props: TreeRowProps, cell: number): string {
  return props.focused && props.cell === cell ? `${base} at` : base;
}

function spoken({ glyph, was, movedFrom, movedTo }: RowView): string {
  if (glyph === "moved") return `moved from place ${movedFrom} to ${movedTo}`;
  return glyph === "changed" && was.length > 0
    ? `changed from ${was.map((piece) => piece.text).join("")}`
    : (glyph ?? "");
}

function Name({ view, query }: { view: RowView; query: string }): VNode {
  return (
    <>
      <span class="k">
        {view.isElement ? <span class="ix">{view.name}</span> : <Found text={view.name} query={query} />}
      </span>
      {view.label !== null && (
        <span class="label">
          <Found text={view.label} query={query} />
        </span>
      )}
      {view.id !== null && view.id !== view.label && <code class="id">{view.id}</code>}
    </>
  );
}

function Value({ view, zone, nowMs, query, on }: TreeRowProps): VNode {
  return (
    <>
      {view.meta && <Meta meta={view.meta} setting={on.keySetting} />}
      {view.counts && <Chips counts={view.counts} />}
      {view.movedFrom !== null && view.movedTo !== null && (
        <span class="mv">
          <i aria-hidden="true">↕</i>from place {view.movedFrom} to {view.movedTo}
        </span>
      )}
      {view.value.length > 0 && (
        <span class={`v ${view.kind}${view.isNew && view.state !== "added" ? " new" : ""}`}>
          {view.isNew || !query ? (
            <Marked pieces={view.value} />
          ) : (
            <Found text={view.value.map((piece) => piece.text).join("")} query={query} />
          )}
        </span>
      )}
      {view.timeMs !== null && <span class="hint">{reading(view.timeMs, zone, nowMs)}</span>}
      {view.distance && <span class="was">{view.distance}</span>}
      {view.was.length > 0 && (
        <span class="was">
          was{" "}
          <s>
            <Marked pieces={view.was} />
          </s>
        </span>
      )}
    </>
  );
}

interface MetaProps {
  meta: NonNullable<RowView["meta"]>;
  setting: RowActions["keySetting"];
}

function Meta({ meta, setting }: MetaProps): VNode {
  return (
    <span class="meta">
      {meta.count.toLocaleString()} {meta.noun}
      {meta.count === 1 ? "" : "s"}
      {meta.by && (
        <>
          {" by "}
          {setting ? (
            <a
              href={href(setting(meta.array, meta.by))}
              tabIndex={-1}
              title="Set by which fields records are told apart"
            >
              <code>{meta.by.join(", ")}</code>
            </a>
          ) : (
            <code>{meta.by.join(", ")}</code>
          )}
        </>
      )}
    </span>
  );
}

/** A text with what was searched for marked in it. */
function Found({ text, query }: { text: string; query: string }): VNode {
  const place = placeOf(text, query);
  if (!place) return <>{text}</>;
  return (
    <>
      {text.slice(0, place[0])}
      <mark>{text.slice(...place)}</mark>
      {text.slice(place[1])}
    </>
  );
}

function SinceCells(props: TreeRowProps): VNode {
  const { since, index, on } = props;
  return (
    <>
      <span role="gridcell" class={cellClass("", props, 2)} id={`row-${index}-2`}>
        {since && since.changes > 0 ? (
          <button
            class="hist"
            type="button"
            tabIndex={-1}
            aria-label={`changed ${since.changes} times, show history`}
            onClick={(event) => [event.stopPropagation(), on.history(index)]}
          >
            {since.line && (
              <svg class="mini" viewBox="0 0 56 16" aria-hidden="true">
                <path d={since.line} />
              </svg>
            )}
            {since.changes.toLocaleString()}
            {"\u200a×"}
          </button>
        ) : (
          <span class="hist" />
        )}
      </span>
      <span role="gridcell" class={cellClass("", props, 3)} id={`row-${index}-3`}>
        <span class="since" title={since ? [since.exact, since.was].filter(Boolean).join(", ") : undefined}>
          {since && <i class={`age-${since.age}`} />}
          {since?.text}
        </span>
      </span>
    </>
  );
}
