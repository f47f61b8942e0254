import type { ComponentChildren } from "preact";
import { Failure } from "../parts/Failure.tsx";
import { Loading } from "../parts/Loading.tsx";
import type { Pages } from "../state/pages.ts";

interface TableProps<T> {
  /** What the rows are: "Keys". */
  name: string;
  pages: Pages<T>;
  columns: readonly { title: string; number?: boolean; hidden?: boolean }[];
  row: (item: T) => ComponentChildren;
  keyOf: (item: T) => string;
  /** What to do where there is nothing. */
  empty: ComponentChildren;
}

/** A list that comes in pages: what it waits for, what failed, what to do where it is empty, and more of it. */
export function Table<T>({ name, pages, columns, row, keyOf, empty }: TableProps<T>) {
  const { data, error, busy, more, next, again } = pages;
  return (
    <div class="sheet">
      {busy ? <Loading label={`Loading ${name.toLowerCase()}`} /> : null}
      {data && data.length > 0 ? (
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
          <tbody>
            {data.map((item) => (
              <tr key={keyOf(item)}>{row(item)}</tr>
            ))}
          </tbody>
        </table>
      ) : null}
      {data && data.length === 0 ? <div class="none">{empty}</div> : null}
      {error ? <Failure tried={`Loading ${name.toLowerCase()}`} error={error} retry={again} /> : null}
      {more && !error ? (
        <button class="btn ghost more" type="button" onClick={next} aria-disabled={busy}>
          Show more
        </button>
      ) : null}
    </div>
  );
}
