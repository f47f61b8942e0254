import { useState } from "preact/hooks";
import { Dialog } from "../parts/Dialog.tsx";
import { Choice, Field, Form, SubmitOrCancel, text } from "../parts/Form.tsx";
import { Loading } from "../parts/Loading.tsx";
import { useLoad } from "../state/load.ts";
import { go, query } from "../state/location.ts";
import { may } from "../state/may.ts";
import { toast } from "../state/toasts.ts";
import { type Kind, SAVED, type Spec, viewOf } from "./kinds.ts";
import { asSaved, changeSaved, getSaved, makeSaved } from "./requests.ts";
import { SavedList } from "./SavedList.tsx";

interface ActsProps {
  project: string;
  kind: Kind;
  /** What the server runs of the question as it is; null where there is none yet. */
  spec: () => Spec | null;
}

/** Beside the heads of pages that ask: saves the question under a name, and lists those that are saved. */
export function SavedActs({ project, kind, spec }: ActsProps) {
  const [open, setOpen] = useState<"list" | "save" | null>(null);
  const close = () => setOpen(null);
  return (
    <>
      <button class="btn" type="button" onClick={() => setOpen("list")}>
        Saved
      </button>
      {may("boards:write") ? (
        <button class="btn" type="button" disabled={spec() === null} onClick={() => setOpen("save")}>
          Save
        </button>
      ) : null}
      {open === "list" ? (
        <Dialog title="Saved queries" close={close}>
          <SavedList project={project} kind={kind} opened={close} />
          <div class="acts">
            <button class="btn" type="button" onClick={close}>
              Close
            </button>
          </div>
        </Dialog>
      ) : null}
      {open === "save" ? <Save project={project} kind={kind} spec={spec() as Spec} close={close} /> : null}
    </>
  );
}

interface SaveProps {
  project: string;
  kind: Kind;
  spec: Spec;
  close: () => void;
}

/** Under a new name, or in the place of the one that it began as. */
function Save({ project, kind, spec, close }: SaveProps) {
  const id = query.value.get(SAVED);
  const before = useLoad(async (signal) => (id === null ? null : getSaved(project, id, signal)), [project, id]);
  const known = before.data?.kind === kind ? before.data : null;
  const view = viewOf(query.value);
  const send = async (data: FormData) => {
    const name = text(data, "name");
    const kept = view.length <= 4000 ? view : null;
    const isSame = text(data, "as") === "same" && known !== null;
    const done = isSame
      ? await changeSaved(project, known.id, { name, spec, view: kept })
      : await makeSaved(project, { name, kind, spec, view: kept });
    close();
    go(asSaved(done.id), { replace: true });
    toast(`Saved as ${done.name}`);
  };
  return (
    <Dialog title="Save the query" close={close}>
      {before.data === undefined && !before.error ? (
        <Loading />
      ) : (
        <Form send={send} tried="Saving it">
          {(form) => (
            <>
              <Field
                form={form}
                label="Name"
                name="name"
                required
                maxLength={200}
                autofocus
                autocomplete="off"
                defaultValue={known?.name ?? ""}
              />
              {known ? (
                <Choice
                  label="As"
                  name="as"
                  options={[
                    ["same", `“${known.name}”, changed`],
                    ["new", "one more"],
                  ]}
                />
              ) : null}
              <SubmitOrCancel form={form} close={close}>
                Save
              </SubmitOrCancel>
            </>
          )}
        </Form>
      )}
    </Dialog>
  );
}
