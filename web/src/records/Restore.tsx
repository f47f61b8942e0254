import { Ago } from "../parts/Ago.tsx";
import { Dialog } from "../parts/Dialog.tsx";
import { Form, SubmitOrCancel } from "../parts/Form.tsx";
import { toast } from "../state/toasts.ts";
import { restore, type Source, type Version } from "./data.ts";

interface RestoreProps {
  source: Source;
  version: Version;
  newest: Version;
  done: () => void;
  close: () => void;
}

/** Asks before an older version becomes the newest one, and says what that does. */
export function Restore({ source, version, newest, done, close }: RestoreProps) {
  const { type } = source;
  return (
    <Dialog
      title={`Restore version ${version.version}`}
      lead={
        <>
          {type}/{version.record_id} as it was {version.changed_at ? <Ago at={version.changed_at} /> : "then"}
          {version.device_id ? `, by ${version.device_id}` : null}.
        </>
      }
      close={close}
    >
      <ul class="will">
        <li>It becomes the newest version, as a new change: every device gets it with its next pull.</li>
        <li>
          {newest.operation === "delete"
            ? "The record was deleted: it comes back."
            : `Version ${newest.version}, which is there now, stays in the history.`}
        </li>
        <li>
          A change of it that a device has not pushed yet is a conflict then, and treated as this data type’s are.
        </li>
      </ul>
      <Form
        tried="Restoring the version"
        send={async () => {
          const now = await restore(source, version.record_id, version.version);
          toast(now === newest.version ? "The record is like that already" : `Restored as version ${now}`);
          done();
        }}
      >
        {(form) => (
          <SubmitOrCancel form={form} close={close}>
            Restore
          </SubmitOrCancel>
        )}
      </Form>
    </Dialog>
  );
}
