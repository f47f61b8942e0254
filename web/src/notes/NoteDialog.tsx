import { Dialog } from "../parts/Dialog.tsx";
import { Choice, Field, Form, SubmitOrCancel, text } from "../parts/Form.tsx";
import { may } from "../state/may.ts";
import { zone } from "../state/zone.ts";
import { parseMoment } from "../time/moments.ts";
import { KINDS, type Note, type NoteKind } from "./notes.ts";
import { changeNote, deleteNote, makeNote } from "./requests.ts";

interface DialogProps {
  project: string;
  /** null for a new one. */
  note: Note | null;
  /** When a new one is, unless somebody says otherwise. */
  ms: number;
  close: () => void;
  done: () => void;
}

/** Something noted of a time: made, changed, deleted. */
export function NoteDialog({ project, note, ms, close, done }: DialogProps) {
  const send = async (data: FormData) => {
    const read = (name: string) => timeOf(text(data, name), ms);
    const link = text(data, "link").trim();
    const kind = text(data, "kind") as NoteKind;
    const said = { text: text(data, "text"), kind, time: read("time") ?? text(data, "time") };
    const end = text(data, "end").trim() === "" ? null : (read("end") ?? text(data, "end"));
    if (note) await changeNote(project, note.id, { ...said, end, link: link || null });
    else await makeNote(project, { ...said, ...(end ? { end } : {}), ...(link ? { link } : {}) });
    done();
    close();
  };
  const destroy = async () => {
    await deleteNote(project, (note as Note).id);
    done();
    close();
  };
  return (
    <Dialog title={note ? "Change the note" : "Note something"} close={close}>
      <Form send={send} tried="Noting it">
        {(form) => (
          <>
            <Field form={form} label="What" name="text" required maxLength={500} autofocus defaultValue={note?.text} />
            <Choice label="Kind" name="kind" options={Object.entries(KINDS)} value={note?.kind ?? "note"} />
            <Field
              form={form}
              label="When"
              name="time"
              required
              autocomplete="off"
              hint={`In ${zone.value}, or with an offset`}
              defaultValue={written(note ? Date.parse(note.time) : ms)}
            />
            <Field
              form={form}
              label="Until"
              name="end"
              autocomplete="off"
              hint="Leave it empty for a moment"
              defaultValue={note?.end ? written(Date.parse(note.end)) : ""}
            />
            <Field
              form={form}
              label="Link"
              name="link"
              type="url"
              maxLength={1000}
              autocomplete="off"
              defaultValue={note?.link ?? ""}
            />
            <SubmitOrCancel form={form} close={close}>
              {note ? "Change" : "Note"}
            </SubmitOrCancel>
          </>
        )}
      </Form>
      {note && may("annotations:admin") ? (
        <Form send={destroy} tried="Deleting it">
          {() => (
            <button class="btn danger" type="submit">
              Delete
            </button>
          )}
        </Form>
      ) : null}
    </Dialog>
  );
}

/** As `parseMoment` reads it again. */
function written(ms: number): string {
  const parts = new Intl.DateTimeFormat("sv-SE", { dateStyle: "short", timeStyle: "medium", timeZone: zone.value });
  return parts.format(ms);
}

function timeOf(typed: string, shownMs: number): string | null {
  const found = parseMoment(typed, { nowMs: Date.now(), shownMs, zone: zone.value });
  return found?.kind === "time" ? new Date(found.ms).toISOString() : null;
}
