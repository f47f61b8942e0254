import type { Place } from "../compare/data.ts";
import { Ago } from "../parts/Ago.tsx";
import { Failure } from "../parts/Failure.tsx";
import { at, href } from "../state/location.ts";
import { usePages } from "../state/pages.ts";
import { type Changes, changesOf } from "./data.ts";
import { said } from "./words.ts";

const LISTED = 5;

/** The versions that did not fit the schema as it was, newest first. */
export function ChangeList({ place }: { place: Place }) {
  const found = usePages<Changes>((cursor, signal) => changesOf(place, cursor, signal), [place]);
  if (found.error) return <Failure tried="Loading the changes" error={found.error} retry={found.again} />;
  if (!found.data) return null;
  const later = found.data.filter(({ level }) => level !== null);
  if (later.length === 0) return <p class="quiet said">It has not changed since the first version.</p>;
  return (
    <>
      <ol class="schema-changes">
        {later.map((one) => (
          <Version key={one.snapshot_id} place={place} one={one} />
        ))}
      </ol>
      {found.more && (
        <p class="more">
          <button type="button" class="btn" disabled={found.busy} onClick={found.next}>
            Earlier changes
          </button>
        </p>
      )}
    </>
  );
}

function Version({ place, one }: { place: Place; one: Changes }) {
  const to = `${at("p", place.project, "e", place.endpoint)}?${new URLSearchParams({ at: one.snapshot_id })}`;
  return (
    <li>
      <p>
        <a href={href(to)}>
          <Ago at={one.captured_at} />
        </a>{" "}
        <b>{one.level}</b>
      </p>
      <ul class="places">
        {one.changes.slice(0, LISTED).map((change) => (
          <li key={`${change.path} ${change.what}`}>
            <code>{change.path || "the document"}</code> {said(change)}
          </li>
        ))}
        {one.count > LISTED && <li class="quiet">and {(one.count - LISTED).toLocaleString()} more</li>}
      </ul>
    </li>
  );
}
