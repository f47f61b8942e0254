import { Ago } from "../parts/Ago.tsx";
import { Failure } from "../parts/Failure.tsx";
import { href } from "../state/location.ts";
import { usePages } from "../state/pages.ts";
import type { Changes, Subject } from "./subject.ts";
import { said } from "./words.ts";

const LISTED = 5;

/** What did not fit the schema as it was, newest first. */
export function ChangeList({ subject }: { subject: Subject }) {
  const found = usePages<Changes>((cursor, signal) => subject.changes(cursor, signal), [subject]);
  if (found.error) return <Failure tried="Loading the changes" error={found.error} retry={found.again} />;
  if (!found.data) return null;
  const later = found.data.filter(({ level }) => level !== null);
  const first = `the first ${subject.one}${subject.one === "event" ? "s" : ""}`;
  if (later.length === 0) return <p class="quiet said">It has not changed since {first}.</p>;
  return (
    <>
      <ol class="schema-changes">
        {later.map((one) => (
          <Version key={one.id} whole={subject.whole} one={one} />
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

function Version({ whole, one }: { whole: string; one: Changes }) {
  return (
    <li>
      <p>
        <a href={href(one.to)}>
          <Ago at={one.at} />
        </a>{" "}
        <b>{one.level}</b>
      </p>
      <ul class="places">
        {one.changes.slice(0, LISTED).map((change) => (
          <li key={`${change.path} ${change.what}`}>
            <code>{change.path || whole}</code> {said(change)}
          </li>
        ))}
        {one.count > LISTED && <li class="quiet">and {(one.count - LISTED).toLocaleString()} more</li>}
      </ul>
    </li>
  );
}
