import type { VNode } from "preact";
import { useRef } from "preact/hooks";
import { distance, timeOf } from "../compare/numbers";
import { cutToLine, type Piece, side } from "../compare/words";
import { Icon } from "../parts/Icon";
import { Marked } from "../parts/Marked.tsx";
import { exactClock, reading } from "../time/clock";
import { dayStart } from "../time/moments";
import { Chips } from "./Chips";
import type { Group, Row } from "./marks";
import type { Opened } from "./opened";
import { idOf, labelOf } from "./rowview";

export interface ChangesProps {
  opened: Opened;
  /** Field patterns that change in most versions: they say little, and come last. */
  noisy: ReadonlySet<string>;
  zone: string;
  shownMs: number;
  /** What stands there instead of changes, as "nothing before it". */
  otherwise: VNode | null;
  /** The changes before and after it. */
  beside: VNode | null;
  onGo: (row: Row) => void;
}

const MOST = 400;

/** What this version changed, by record: the answer before the tree is searched. */
export function Changes(props: ChangesProps): VNode {
  const { opened, otherwise } = props;
  const list = useRef<HTMLUListElement>(null);
  const counts = opened.totals;
  const walk = (step: 1 | -1): void => {
    const all = [...(list.current?.querySelectorAll<HTMLElement>("button.go") ?? [])];
    const next = all[Math.max(0, Math.min(all.length - 1, all.indexOf(document.activeElement as HTMLElement) + step))];
    next?.focus();
    next?.click();
  };
  let left = MOST;
  return (
    <section class="step" aria-label="What this version changed">
      <div class="bar">
        <h2>In this version</h2>
        <span class="chips">{counts && <Chips counts={counts} words={false} />}</span>
        <span class="grow" />
        <button class="icon" type="button" aria-label="Previous change in the list" onClick={() => walk(-1)}>
          <Icon name="left" />
        </button>
        <button class="icon" type="button" aria-label="Next change in the list" onClick={() => walk(1)}>
          <Icon name="right" />
        </button>
      </div>
      {props.beside}
      {otherwise ?? (
        <ul ref={list} class="sum">
          {opened.marks.groups.map((group) => {
            if (left <= 0) return null;
            const shown = group.rows.slice(0, left);
            left -= shown.length;
            return <OneGroup key={group.record ?? ""} {...props} group={group} shown={shown} />;
          })}
          {opened.marks.total > MOST && (
            <li class="grp quiet more">
              {(opened.marks.total - MOST + Math.max(0, left)).toLocaleString()} more, seen whole in Compare
            </li>
          )}
        </ul>
      )}
    </section>
  );
}

const GLYPHS = {
  add: ["added", "+"],
  remove: ["removed", "−"],
  replace: ["changed", "~"],
  move: ["moved", "↕"],
} as const;

function OneGroup(props: ChangesProps & { group: Group; shown: number[] }): VNode {
  const { group, opened, shown } = props;
  const rows = shown.map((i) => opened.marks.rows[i] as Row);
  const whole = rows.find((row) => row.at === "" && row.op !== "replace" && group.record !== null);
  const [kind, glyph] =
    GLYPHS[whole && whole.op !== "move" ? whole.op : rows.length === 1 && whole ? "move" : "replace"];
  const inside = rows.filter((row) => row !== whole);
  const sorted = [
    ...inside.filter((row) => !props.noisy.has(row.field)),
    ...inside.filter((row) => props.noisy.has(row.field)),
  ];
  const gone = whole?.op === "remove";
  const id = gone || group.record === null || group.node < 0 ? null : idOf(opened, group.node);
  const label = group.label ?? (gone || group.record === null || group.node < 0 ? null : labelOf(opened, group.node));
  return (
    <li class="grp">
      <h3>
        {group.record !== null && (
          <span class={`g ${kind}`}>
            <i aria-hidden="true">{glyph}</i>
            <span class="sr">{kind}</span>
          </span>
        )}
        <span class="label">{group.record === null ? "document" : (label ?? id ?? group.record)}</span>
        {id !== null && label !== null && <code>{id}</code>}
      </h3>
      <ul>
        {whole && <Whole row={whole} {...props} />}
        {sorted.map((row, i) => (
          <Line key={i} row={row} {...props} />
        ))}
      </ul>
    </li>
  );
}

function Whole({ row, onGo }: ChangesProps & { row: Row }): VNode {
  const values = row.leaves ?? 1;
  const text =
    row.op === "remove"
      ? "gone"
      : row.op === "move"
        ? `moved from place ${row.before} to ${row.after}`
        : `new record, ${values.toLocaleString()} value${values === 1 ? "" : "s"}`;
  return (
    <li class="one quiet">
      <button class="go" type="button" onClick={() => onGo(row)}>
        {text}
      </button>
    </li>
  );
}

function Line({ row, noisy, zone, shownMs, onGo }: ChangesProps & { row: Row }): VNode {
  const [was, now] = sides(row, zone, shownMs);
  const two = row.text !== null || length(was) + length(now) > 30;
  const grey = noisy.has(row.field);
  return (
    <li class={[two ? "two" : "", grey ? "noisy" : ""].filter(Boolean).join(" ")}>
      <button class="go" type="button" onClick={() => onGo(row)} title={row.at}>
        <code>{row.at.replace(/^\//, "").replace(/^properties\//, "")}</code>
        {was.length > 0 && (
          <span class="o">
            <Marked pieces={was} />
          </span>
        )}
        {now.length > 0 && (
          <span class="n">
            <Marked pieces={now} />
          </span>
        )}
      </button>
    </li>
  );
}

function length(pieces: readonly Piece[]): number {
  return pieces.reduce((sum, piece) => sum + piece.text.length, 0);
}

/** Texts have their words marked, times their distance. */
function sides(row: Row, zone: string, shownMs: number): [Piece[], Piece[]] {
  if (row.text) return [cutToLine(side(row.text, "-"), 90), cutToLine(side(row.text, "+"), 90)];
  const [from, to] = [timeOf(row.field, row.old ?? ""), timeOf(row.field, row.new ?? "")];
  if (from !== null && to !== null) {
    const near = dayStart(to, zone) === dayStart(shownMs, zone);
    return [
      [{ sign: "=", text: near ? exactClock(to, zone) : reading(to, zone, shownMs) }],
      [{ sign: "=", text: distance(from, to) }],
    ];
  }
  const marked = (text: string | null, sign: "-" | "+"): Piece[] =>
    text === null ? [] : cutToLine([{ sign, text: plain(text) }], 90);
  return [marked(row.old, "-"), marked(row.new, "+")];
}

function plain(text: string): string {
  if (text.startsWith("{")) return "an object";
  if (text.startsWith("[")) return "a list";
  return text;
}
