// biome-ignore-all lint/a11y/useSemanticElements: a treegrid of which a part is drawn can be no table
// biome-ignore-all lint/a11y/useFocusableInteractive: one row at a time is in the tab order, cells are reached from it
import type { JSX } from "preact";
import { counted } from "../numbers.ts";
import { Icon } from "../parts/Icon.tsx";
import { Marked } from "../parts/Marked.tsx";
import { idOf, isWhole, type Line, type Row, type RowOp } from "./lines.ts";
import type { Placed } from "./model.ts";
import { hintsOf, inlineOf, kindOf, sideOf, stepsOf } from "./values.ts";
import { cutToLine, type Piece } from "./words.ts";

/** How the rows of one ledger are drawn. */
export interface RowView {
  layout: "side" | "inline";
  isNoise: (field: string) => boolean;
  reading: (ms: number) => string;
  /** The document at A, where a moved record stood. */
  placeInA: (row: Row) => string | null;
}

export const WORDS: Record<RowOp, { glyph: string; name: string; kind: string }> = {
  add: { glyph: "+", name: "added", kind: "added" },
  remove: { glyph: "−", name: "removed", kind: "removed" },
  replace: { glyph: "~", name: "changed", kind: "changed" },
  move: { glyph: "↕", name: "moved", kind: "moved" },
  same: { glyph: "", name: "unchanged", kind: "still" },
};

interface LedgerRowProps {
  placed: Placed;
  view: RowView;
  focused: boolean;
}

export function LedgerRow({ placed, view, focused }: LedgerRowProps): JSX.Element {
  const { line, top, height, number } = placed;
  const expanded = expandedOf(line);
  return (
    <div
      role="row"
      class={`cr ${classOf(line, view)}${focused ? " focus" : ""}`}
      aria-rowindex={number + 1}
      aria-level={line.kind === "head" || line.kind === "whole" ? 1 : 2}
      {...(expanded === null ? {} : { "aria-expanded": expanded })}
      tabIndex={focused ? 0 : -1}
      data-window={placed.window}
      data-line={line.key}
      style={{ transform: `translateY(${top}px)`, height: `${height}px` }}
    >
      <Cells line={line} view={view} />
    </div>
  );
}

function expandedOf(line: Line): boolean | null {
  if (line.kind === "head") return line.count > 0 ? !line.folded : null;
  if (line.kind === "rest") return line.count !== null;
  return line.kind === "whole" ? line.open : null;
}

function classOf(line: Line, view: RowView): string {
  const kind = WORDS[line.row.op].kind;
  switch (line.kind) {
    case "head":
      return `rh ${kind}`;
    case "whole":
      return `rr ${kind}`;
    case "change":
      return `rc${kind === "still" ? " still" : view.isNoise(line.row.field) ? " noisy" : ""}${view.layout === "inline" ? " one" : ""}`;
    default:
      return `rv ${kind}`;
  }
}

function Cells({ line, view }: { line: Line; view: RowView }): JSX.Element {
  switch (line.kind) {
    case "head":
      return <Head row={line.row} folded={line.folded} count={line.count} view={view} />;
    case "whole":
      return <Whole row={line.row} open={line.open} />;
    case "change":
      return <Change row={line.row} view={view} />;
    case "value":
      return <Value row={line.row} path={line.leaf.path} text={line.leaf.text} view={view} />;
    case "more":
      return <More count={line.count} />;
    case "rest":
      return <Rest count={line.count} />;
  }
}

function Glyph({ op }: { op: RowOp | null }): JSX.Element {
  if (!op) return <span role="gridcell" class="g" />;
  const { glyph, name, kind } = WORDS[op];
  return (
    <span role="gridcell" class={`g ${kind}`}>
      <span aria-hidden="true">{glyph}</span>
      <span class="sr">{name}</span>
    </span>
  );
}

function Head({ row, folded, count, view }: { row: Row; folded: boolean; count: number; view: RowView }): JSX.Element {
  const { before: from, after: to } = row;
  const moved = row.op === "move" && isWhole(row);
  const href = moved ? view.placeInA(row) : null;
  const badge = (
    <>
      <i aria-hidden="true">↕</i>moved from place {from} to {to}
    </>
  );
  return (
    <>
      <Glyph op={row.record === "" ? null : moved ? "move" : "replace"} />
      <span role="rowheader" class="rt">
        {count > 0 ? <Icon name={folded ? "right" : "down"} /> : <span class="ic-gap" />}
        <Named row={row} />
      </span>
      <span role="gridcell" class="note">
        {moved &&
          (href ? (
            <a class="mv" href={href} tabIndex={-1} title="Open the document at A, where it stood">
              {badge}
            </a>
          ) : (
            <span class="mv">{badge}</span>
          ))}
        {count > 0 && <span>{count} changed</span>}
      </span>
    </>
  );
}

function Named({ row }: { row: Row }): JSX.Element {
  if (row.record === "") return <span class="label">document</span>;
  const id = idOf(row);
  return (
    <>
      <span class="label">{row.label ?? id}</span>
      {row.label !== undefined && row.label !== id && <code class="id">{id}</code>}
    </>
  );
}

const WHOLE: Record<RowOp, string> = {
  add: "new record",
  remove: "record gone",
  replace: "record replaced",
  move: "record moved",
  same: "unchanged",
};

function Whole({ row, open }: { row: Row; open: boolean }): JSX.Element {
  const place = row.op === "remove" ? row.before : row.after;
  const told = [row.leaves ? counted(row.leaves, "value") : "", place === undefined ? "" : `place ${place}`];
  const fill = (
    <span role="gridcell" class="cell fill">
      <Named row={row} />
      <span class="meta">{told.filter(Boolean).join(", ")}</span>
    </span>
  );
  const absent = (
    <span role="gridcell" class="cell void">
      <span class="sr">absent</span>
    </span>
  );
  const said = WHOLE[row.op];
  return (
    <>
      <Glyph op={row.op} />
      <span role="rowheader" class="rt">
        <Icon name={open ? "down" : "right"} />
        <span class="quiet">{said}</span>
      </span>
      {row.op === "add" ? absent : fill}
      {row.op === "remove" ? absent : fill}
    </>
  );
}

function Change({ row, view }: { row: Row; view: RowView }): JSX.Element {
  const { lead, last } = stepsOf(row.at);
  const hints = hintsOf(row, view.reading);
  return (
    <>
      <Glyph op={row.op} />
      <span role="rowheader" class="path" title={row.at}>
        {lead}
        <b>{last}</b>
      </span>
      {view.layout === "inline" ? (
        <span role="gridcell" class={`cell n ${kindOf(row.new ?? row.old ?? "")}`}>
          <Pieces pieces={row.op === "move" ? movedText(row) : inlineOf(row)} />
          {hints.new && <span class="hint">{hints.new}</span>}
        </span>
      ) : (
        <>
          <Cell row={row} sign="-" hint={hints.old} />
          <Cell row={row} sign="+" hint={hints.new} />
        </>
      )}
    </>
  );
}

function movedText(row: Row): Piece[] {
  return [{ sign: "=", text: `place ${row.before ?? "?"} → ${row.after ?? "?"}` }];
}

function Cell({ row, sign, hint }: { row: Row; sign: "-" | "+"; hint: string }): JSX.Element {
  const text = sign === "-" ? row.old : row.new;
  const at = sign === "-" ? "o" : "n";
  const place = sign === "-" ? row.before : row.after;
  if (row.op === "move") {
    return (
      <span role="gridcell" class={`cell ${at}`}>
        <span class="quiet">place {place}</span>
      </span>
    );
  }
  if (text === undefined) {
    return (
      <span role="gridcell" class={`cell ${at} void`}>
        <span class="sr">absent</span>
      </span>
    );
  }
  return (
    <span role="gridcell" class={`cell ${at} ${kindOf(text)}`}>
      <Pieces pieces={sideOf(row, sign)} />
      {hint && <span class="hint">{hint}</span>}
    </span>
  );
}

export function Pieces({ pieces }: { pieces: Piece[] }): JSX.Element {
  return (
    <span class="tx">
      <Marked pieces={pieces} />
    </span>
  );
}

function Value({ row, path, text, view }: { row: Row; path: string; text: string; view: RowView }): JSX.Element {
  const { lead, last } = stepsOf(path);
  const hint = hintsOf({ ...row, field: path, old: undefined as never, new: text }, view.reading).new;
  const shown = (
    <span role="gridcell" class={`cell ${kindOf(text)}`}>
      <Pieces pieces={cutToLine([{ sign: "=", text }], 160)} />
      {hint && <span class="hint">{hint}</span>}
    </span>
  );
  const empty = <span role="gridcell" class="cell" />;
  return (
    <>
      <Glyph op={null} />
      <span role="rowheader" class="path">
        {lead}
        <b>{last}</b>
      </span>
      {row.op === "add" ? empty : shown}
      {row.op === "remove" ? empty : shown}
    </>
  );
}

function More({ count }: { count: number }): JSX.Element {
  return (
    <>
      <Glyph op={null} />
      <span role="rowheader" class="path">
        and more: the first {count} values are shown
      </span>
    </>
  );
}

function Rest({ count }: { count: number | null }): JSX.Element {
  return (
    <>
      <Glyph op={null} />
      <span role="rowheader" class="path rt">
        <Icon name={count === null ? "right" : "down"} />
        {count === null ? "unchanged fields" : `${count} unchanged`}
      </span>
    </>
  );
}
