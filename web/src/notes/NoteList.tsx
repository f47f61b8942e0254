import { useState } from "preact/hooks";
import { count } from "../numbers.ts";
import { may } from "../state/may.ts";
import { moment } from "../time/clock.ts";
import { NoteDialog } from "./NoteDialog.tsx";
import { type Flag, KINDS, type Note } from "./notes.ts";
import "./notes.css";

interface ListProps {
  project: string;
  flags: readonly Flag[];
  hasMore: boolean;
  zone: string;
  again: () => void;
}

/** What the flags of the chart stand for. */
export function NoteList({ project, flags, hasMore, zone, again }: ListProps) {
  const [open, setOpen] = useState<Note | null>(null);
  if (flags.length === 0) return null;
  return (
    <>
      <ul class="notes" aria-label="Noted">
        {flags.flatMap((flag) =>
          flag.notes.map((note) => (
            <li key={note.id}>
              <b class={flag.isIncident ? "flag strong" : "flag"}>{flag.letter}</b>
              <span>
                <span class="kind">{KINDS[note.kind]}:</span> <NoteText note={note} />
              </span>
              <time class="quiet" dateTime={note.time}>
                {moment(Date.parse(note.time), zone)}
                {note.end ? ` to ${moment(Date.parse(note.end), zone)}` : ""}
              </time>
              {may("annotations:write") ? (
                <button
                  class="btn ghost"
                  type="button"
                  aria-label={`Change ${note.text}`}
                  onClick={() => setOpen(note)}
                >
                  Change
                </button>
              ) : null}
            </li>
          )),
        )}
      </ul>
      {hasMore ? <p class="said quiet">The latest {count(flags.flatMap(({ notes }) => notes).length)}.</p> : null}
      {open ? (
        <NoteDialog project={project} note={open} ms={Date.parse(open.time)} close={() => setOpen(null)} done={again} />
      ) : null}
    </>
  );
}

function NoteText({ note }: { note: Note }) {
  if (!note.link) return <>{note.text}</>;
  return (
    <a class="link" href={note.link} target="_blank" rel="noopener noreferrer nofollow">
      {note.text}
    </a>
  );
}
