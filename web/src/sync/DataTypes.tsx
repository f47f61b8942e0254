import { useState } from "preact/hooks";
import { put, type Schemas } from "../api.ts";
import { bytes, counted } from "../numbers.ts";
import { Dialog } from "../parts/Dialog.tsx";
import { Choice, Form, SubmitOrCancel, text } from "../parts/Form.tsx";
import { may } from "../state/may.ts";

type DataType = Schemas["SyncType"];

const POLICIES = [
  ["last_write", "The last write wins"],
  ["reject", "The later change is refused"],
  ["manual", "Both wait for a choice"],
] as const;

interface DataTypesProps {
  project: string;
  types: readonly DataType[];
  again: () => void;
}

/** What is synced, and what happens when two devices change a record. */
export function DataTypes({ project, types, again }: DataTypesProps) {
  const [open, setOpen] = useState<DataType | null>(null);
  const canChange = may("sync:admin");
  const close = () => setOpen(null);
  return (
    <>
      <ul class="device-list">
        {types.map((type) => (
          <li key={type.data_type}>
            <span />
            <div>
              <b>{type.data_type}</b>
              <small>
                {counted(type.records, "record")} · {bytes(type.bytes)}
                {type.schema ? " · with a schema" : null}
              </small>
              <small>{POLICIES.find(([policy]) => policy === type.conflicts)?.[1]}</small>
              {canChange ? (
                <div class="device-acts">
                  <button class="btn ghost" type="button" onClick={() => setOpen(type)}>
                    Conflicts
                  </button>
                </div>
              ) : null}
            </div>
          </li>
        ))}
      </ul>
      {open ? (
        <Dialog
          title={`Conflicts of ${open.data_type}`}
          lead="When a device changes a record that another has changed meanwhile, without knowing of it."
          close={close}
        >
          <Form
            tried="Changing the data type"
            send={async (data) => {
              await put("/v1/sync/types/{data_type}", {
                in: project,
                path: { data_type: open.data_type },
                body: { conflicts: text(data, "conflicts") as DataType["conflicts"] },
              });
              close();
              again();
            }}
          >
            {(form) => (
              <>
                <Choice label="What happens" name="conflicts" options={POLICIES} value={open.conflicts} />
                <SubmitOrCancel form={form} close={close}>
                  Save
                </SubmitOrCancel>
              </>
            )}
          </Form>
        </Dialog>
      ) : null}
    </>
  );
}
