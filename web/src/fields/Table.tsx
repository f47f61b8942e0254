import { useRef } from "preact/hooks";
import type { Place } from "../compare/data.ts";
import { NothingChanged } from "../parts/NothingChanged.tsx";
import { at, setQuery } from "../state/location.ts";
import { moveBetweenRows, useWayToRows } from "../versions/rows.ts";
import type { Field } from "./data.ts";
import { FieldRow, type FieldState } from "./Row.tsx";

const SORTS = { changes: "Changes", name: "Field", last: "Last" } as const;
export type Sort = keyof typeof SORTS;

interface FieldTableProps {
  place: Place;
  fields: Field[];
  done: boolean;
  sought: string;
  sort: Sort;
  stateOf: (path: string) => FieldState;
  toggle: (path: string) => void;
  sparks: Map<string, number[]> | undefined;
  more: (() => void) | null;
}

export function FieldTable({ place, fields, done, sought, sort, stateOf, toggle, sparks, more }: FieldTableProps) {
  const body = useRef<HTMLTableSectionElement>(null);
  useWayToRows(body);
  if (done && fields.length === 0) return <None place={place} sought={sought} />;
  const head = (own: Sort, name: string) => (
    <th scope="col" class={name} aria-sort={sort === own ? (own === "name" ? "ascending" : "descending") : undefined}>
      <button type="button" onClick={() => setQuery({ sort: own === "changes" ? null : own })}>
        {SORTS[own]}
      </button>
    </th>
  );
  return (
    <div class="tree">
      <table class="tb fieldlist">
        <thead>
          <tr>
            {head("name", "")}
            {head("changes", "n")}
            <th scope="col">Share</th>
            <th scope="col" class="spc">
              Lately
            </th>
            {head("last", "when")}
            <th scope="col">Types</th>
            <th scope="col">
              <span class="sr">Ignore</span>
            </th>
          </tr>
        </thead>
        <tbody ref={body} onKeyDown={(event) => moveBetweenRows(event, body.current)}>
          {sorted(fields, sort).map((field) => (
            <FieldRow
              key={field.path}
              field={field}
              state={stateOf(field.path)}
              spark={sparks?.get(field.path)}
              links={linksOf(place, field)}
              toggle={() => toggle(field.path)}
            />
          ))}
        </tbody>
      </table>
      {more && (
        <p class="more">
          <button type="button" class="btn" onClick={more}>
            More fields
          </button>
        </p>
      )}
    </div>
  );
}

function None({ place, sought }: { place: Place; sought: string }) {
  if (!sought)
    return (
      <NothingChanged
        {...place}
        says="No field has changed yet: the first two versions that differ show theirs here."
      />
    );
  return (
    <p class="none">
      No field that changes holds “{sought}”.{" "}
      <button type="button" class="btn" onClick={() => setQuery({ q: null })}>
        All fields
      </button>
    </p>
  );
}

function sorted(fields: Field[], sort: Sort): Field[] {
  const list = [...fields];
  if (sort === "name") return list.sort((a, b) => (a.path < b.path ? -1 : 1));
  if (sort === "last") return list.sort((a, b) => (b.last_changed_at ?? "").localeCompare(a.last_changed_at ?? ""));
  return list;
}

function linksOf({ project, endpoint }: Place, field: Field) {
  const base = at("p", project, "e", endpoint);
  const numeric = field.types.some((type) => type === "number" || type === "integer");
  return {
    document: field.last_snapshot_id ? `${base}?${new URLSearchParams({ at: field.last_snapshot_id })}` : null,
    changes: `${base}/changes?${new URLSearchParams({ field: field.path })}`,
    chart: numeric ? `${base}/charts?${new URLSearchParams({ f: field.path })}` : null,
  };
}
