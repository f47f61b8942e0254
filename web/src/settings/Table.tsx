import type { ComponentChildren } from "preact";
import { useEffect, useRef } from "preact/hooks";
import { fold } from "../folding.ts";
import { count } from "../numbers.ts";
import { Failure } from "../parts/Failure.tsx";
import { Loading } from "../parts/Loading.tsx";
import { query, setQuery } from "../state/location.ts";
import type { Pages } from "../state/pages.ts";
import { moveBetweenRows, useWayToRows } from "../versions/rows.ts";
import "./table.css";

interface TableProps<T> {
  /** What the rows are: "Keys". */
  name: string;
  pages: Pages<T>;
  columns: readonly { title: string; number?: boolean; hidden?: boolean }[];
  row: (item: T) => ComponentChildren;
  keyOf: (item: T) => string;
  /** What to do where there is nothing. */
  empty: ComponentChildren;
  /** What a row is found by, in a list that may be long: its filter is `q` of the address. */
  textOf?: (item: T) => string;
}

/** So many rows are looked through at a glance. */
const FEW = 12;

/** A list that comes in pages: what it waits for, what failed, what to do where it is empty, and more of it. */
export function Table<T>({ name, pages, columns, row, keyOf, empty, textOf }: TableProps<T>) {
  const { data, error, busy, more, next, again } = pages;
  const sought = textOf ? fold((query.value.get("q") ?? "").trim()) : "";
  const shown = sought && textOf ? data?.filter((item) => fold(textOf(item)).includes(sought)) : data;
  const body = useRef<HTMLTableSectionElement>(null);
  useWayToRows(body);
  useEffect(() => {
    if (sought && more && !busy && !error) next(); // what is sought may be among the rest
  }, [sought, more, busy, error, next]);
  const keys = (event: KeyboardEvent) => {
    const last = body.current?.lastElementChild?.contains(event.target as Node);
    if (last && more && (event.key === "j" || event.key === "ArrowDown")) next(); // the next key goes on among them
    moveBetweenRows(event, body.current);
  };
  const isLong = data !== undefined && (data.length > FEW || more);
  return (
    <>
      {textOf && (isLong || sought) ? <Filter name={name} found={shown?.length ?? 0} done={!more} /> : null}
      <div class="sheet">
        {busy ? <Loading label={`Loading ${name.toLowerCase()}`} /> : null}
        {shown && shown.length > 0 ? (
          <table class="tb">
            <thead>
              <tr>
                {columns.map((column) => (
                  <th key={column.title} scope="col" class={column.number ? "n" : undefined}>
                    {column.hidden ? <span class="sr">{column.title}</span> : column.title}
                  </th>
                ))}
              </tr>
            </thead>
            <tbody ref={body} onKeyDown={keys}>
              {shown.map((item) => (
                <tr key={keyOf(item)} data-row tabIndex={-1}>
                  {row(item)}
                </tr>
              ))}
            </tbody>
          </table>
        ) : null}
        {shown?.length === 0 && !(sought && more) ? <div class="none">{sought ? <NoneFound /> : empty}</div> : null}
        {error ? <Failure tried={`Loading ${name.toLowerCase()}`} error={error} retry={again} /> : null}
        {more && !error ? (
          <button class="btn ghost more" type="button" onClick={next} aria-disabled={busy}>
            Show more
          </button>
        ) : null}
      </div>
    </>
  );
}

function Filter({ name, found, done }: { name: string; found: number; done: boolean }) {
  const sought = query.value.get("q") ?? "";
  return (
    <div class="filters">
      <label class="pick">
        <span class="sr">Filter {name.toLowerCase()}</span>
        <input
          type="search"
          placeholder="Filter"
          value={sought}
          data-search
          onInput={(event) => setQuery({ q: event.currentTarget.value }, { replace: true })}
        />
      </label>
      {sought ? (
        <span class="quiet" role="status">
          {count(found)} found{done ? "" : " so far"}
        </span>
      ) : null}
    </div>
  );
}

function NoneFound() {
  return (
    <>
      <p>None of them holds that.</p>
      <button class="btn" type="button" onClick={() => setQuery({ q: null })}>
        Show all
      </button>
    </>
  );
}
