import type { RefObject } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import type { Place } from "../compare/data.ts";
import { Pieces, WORDS } from "../compare/LedgerRow.tsx";
import { idOf, isWhole, pathOf, type Row } from "../compare/lines.ts";
import { chipName, hintsOf, inlineOf, stepsOf } from "../compare/values.ts";
import { count, counted, percent } from "../numbers.ts";
import { Icon } from "../parts/Icon.tsx";
import { at, href } from "../state/location.ts";
import { zone } from "../state/zone.ts";
import { exactClock, reading } from "../time/clock.ts";
import { Counts } from "../versions/Row.tsx";
import { countsOf, KIND_WORDS, type VersionKind } from "../versions/versions.ts";
import { type Change, firstRows } from "./data.ts";

const FIELDS = 6;

/** One delta: when, how much, in which fields, and its first changes. */
export function ChangeItem({ place, change }: { place: Place; change: Change }) {
  const ms = Date.parse(change.captured_at);
  const base = at("p", place.project, "e", place.endpoint);
  const box = useRef<HTMLLIElement>(null);
  const first = useFirst(place, change, box);
  const left = change.changes_count - first.length;
  const compare = `${base}/compare?${new URLSearchParams({ a: change.from_snapshot_id, b: change.id })}`;
  return (
    <li class="item" data-row ref={box}>
      <div class="when">
        <a href={href(`${base}?${new URLSearchParams({ at: change.id })}`)} data-open>
          <time dateTime={change.captured_at}>{exactClock(ms, zone.value)}</time>
        </a>
        <small title="Share of the values that stayed the same">{percent(change.similarity_score)} same</small>
      </div>
      <div class="did">
        <p>
          {change.kind === "content" ? (
            <Counts counts={countsOf(change)} />
          ) : (
            <span class="quiet">{KIND_WORDS[change.kind as VersionKind] ?? change.kind}</span>
          )}
          <Fields change={change} base={base} />
        </p>
        <ul>
          {first.map((row) => (
            <First
              key={row.n}
              row={row}
              near={ms}
              to={`${base}?${new URLSearchParams({ at: row.op === "remove" ? change.from_snapshot_id : change.id, path: pathOf(row) })}`}
            />
          ))}
          {first.length > 0 && left > 0 && (
            <li class="quiet">
              <a href={href(compare)}>and {counted(left, "more change")}</a>
            </li>
          )}
        </ul>
      </div>
      <a class="icon" href={href(compare)} tabIndex={-1}>
        <Icon name="compare" />
        <span class="sr">Compare with the version before</span>
      </a>
    </li>
  );
}

/** Loaded when the item comes near what is seen: a day may have hundreds. */
function useFirst(place: Place, change: Change, box: RefObject<HTMLElement | null>): Row[] {
  const [rows, setRows] = useState<Row[]>([]);
  const { id, kind } = change;
  useEffect(() => {
    const element = box.current;
    if (!element || kind === "format" || kind === "ignored") return;
    const leaving = new AbortController();
    const watch = new IntersectionObserver(
      (seen) => {
        if (!seen.some((one) => one.isIntersecting)) return;
        watch.disconnect();
        firstRows(place, id, leaving.signal).then(setRows, () => undefined); // the fields above are there without
      },
      { rootMargin: "200px" },
    );
    watch.observe(element);
    return () => {
      watch.disconnect();
      leaving.abort();
    };
  }, [place, id, kind, box]);
  return rows;
}

function Fields({ change, base }: { change: Change; base: string }) {
  const shown = change.fields.slice(0, FIELDS);
  const left = change.fields.length - shown.length;
  return (
    <span class="which">
      {shown.map(({ path, changes }) => (
        <a key={path} href={href(`${base}/changes?${new URLSearchParams({ field: path })}`)} title={path} tabIndex={-1}>
          <code>{chipName(path).last}</code>
          {changes > 1 && <small> {count(changes)}</small>}
        </a>
      ))}
      {left > 0 && <span class="quiet">and {counted(left, "field")}</span>}
    </span>
  );
}

function First({ row, near, to }: { row: Row; near: number; to: string }) {
  const { glyph, kind, name } = WORDS[row.op];
  const { lead, last } = stepsOf(row.at);
  const hint = hintsOf(row, (ms) => reading(ms, zone.value, near)).new;
  return (
    <li>
      <span class={`g ${kind}`} aria-hidden="true">
        {glyph}
      </span>
      <a href={href(to)} tabIndex={-1}>
        <span class="sr">{name} </span>
        {row.record !== "" && <span class="rec">{row.label ?? idOf(row)} </span>}
        {!isWhole(row) && (
          <code>
            {lead}
            {last}{" "}
          </code>
        )}
        {row.op === "move" ? (
          <span class="quiet">
            place {row.before} to {row.after}
          </span>
        ) : (
          !isWhole(row) && <Pieces pieces={inlineOf(row)} />
        )}
        {hint && <span class="hint"> {hint}</span>}
      </a>
    </li>
  );
}
