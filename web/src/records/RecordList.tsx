import { useRef } from "preact/hooks";
import { bytes } from "../numbers.ts";
import { Ago } from "../parts/Ago.tsx";
import { Failure } from "../parts/Failure.tsx";
import { Icon } from "../parts/Icon.tsx";
import { Loading } from "../parts/Loading.tsx";
import { address, href, setQuery, withQuery } from "../state/location.ts";
import type { Pages } from "../state/pages.ts";
import { moveBetweenRows, useWayToRows } from "../versions/rows.ts";
import type { Version, Wanted } from "./data.ts";
import { enterList, useRecordFocus } from "./useRecordFocus.ts";

interface RecordListProps {
  pages: Pages<Version>;
  wanted: Wanted;
  /** The id of the record that is open. */
  chosen: string | null;
}

/** The records of a data type, or its deletions, found by how their ids begin. */
export function RecordList({ pages, wanted, chosen }: RecordListProps) {
  const body = useRef<HTMLUListElement>(null);
  useWayToRows(body);
  useRecordFocus(body, chosen);
  const inFilter = (event: KeyboardEvent) => {
    if (event.key === "Enter") enterList(body.current);
    else if (event.key === "Escape" && wanted.prefix !== "") setQuery({ prefix: null }, { replace: true });
    else return;
    event.preventDefault();
    event.stopPropagation(); // what stands in it goes first, before it is left
  };
  const { data, more, next, busy, error, again } = pages;
  const keys = (event: KeyboardEvent) => {
    const last = body.current?.lastElementChild?.contains(event.target as Node);
    if (last && more && (event.key === "j" || event.key === "ArrowDown")) next();
    moveBetweenRows(event, body.current);
  };
  return (
    <>
      <div class="bar">
        <label class="filter wide">
          <Icon name="search" />
          <span class="sr">Find records whose id begins so</span>
          <input
            data-search
            value={wanted.prefix}
            maxLength={256}
            placeholder="Id begins with"
            autocomplete="off"
            spellcheck={false}
            onKeyDown={inFilter}
            onInput={(event) => setQuery({ prefix: event.currentTarget.value }, { replace: true })}
          />
        </label>
      </div>
      <div class="bar">
        <div class="seg" role="radiogroup" aria-label="Which records">
          {[false, true].map((deleted) => (
            // biome-ignore lint/a11y/useSemanticElements: drawn as the other groups of the dashboard are
            <button
              key={String(deleted)}
              type="button"
              role="radio"
              aria-checked={wanted.deleted === deleted}
              onClick={() => setQuery({ deleted: deleted ? "1" : null })}
            >
              {deleted ? "Deleted" : "There"}
            </button>
          ))}
        </div>
      </div>
      {busy ? <Loading label="Loading records" /> : null}
      {data?.length === 0 && !more && !error ? <p class="said">{nothing(wanted)}</p> : null}
      <ul class="side" ref={body} onKeyDown={keys} aria-label={wanted.deleted ? "Deleted records" : "Records"}>
        {data?.map((record) => (
          <li
            key={record.record_id}
            data-row
            data-record={record.record_id}
            aria-current={record.record_id === chosen ? "true" : undefined}
          >
            <Row record={record} />
          </li>
        ))}
      </ul>
      {error ? <Failure tried="Listing records" error={error} retry={again} /> : null}
      {more && !error ? (
        <button class="btn ghost more" type="button" onClick={next} aria-disabled={busy}>
          Show more
        </button>
      ) : null}
    </>
  );
}

function Row({ record }: { record: Version }) {
  const gone = record.operation === "delete";
  return (
    <a
      data-open
      href={href(
        withQuery(address.value, { record: record.record_id, version: null, from: null, row: null, find: null }),
      )}
    >
      <span class={`st ${gone ? "muted" : "ok"}`} role="img" aria-label={gone ? "deleted" : "there"} />
      <b>{record.record_id}</b>
      <span class="ago">{record.changed_at ? <Ago at={record.changed_at} /> : "long ago"}</span>
      <small>
        {record.kind === "encrypted" ? "encrypted, " : null}
        {record.bytes === undefined ? null : `${bytes(record.bytes)} · `}version {record.version}
        {record.device_id ? ` · ${record.device_id}` : null}
      </small>
    </a>
  );
}

function nothing({ prefix, deleted }: Wanted): string {
  if (prefix) return `No ${deleted ? "deleted " : ""}record has an id that begins with “${prefix}”.`;
  return deleted ? "No deletion is remembered." : "No record is there. Each shows here when a device has pushed it.";
}
