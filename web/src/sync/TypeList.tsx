import { useRef, useState } from "preact/hooks";
import { get, put, type Schemas } from "../api.ts";
import { bytes, counted } from "../numbers.ts";
import { Dialog } from "../parts/Dialog.tsx";
import { Failure } from "../parts/Failure.tsx";
import { Choice, Form, SubmitOrCancel, text } from "../parts/Form.tsx";
import { Loading } from "../parts/Loading.tsx";
import { at, href } from "../state/location.ts";
import { may } from "../state/may.ts";
import { usePages } from "../state/pages.ts";
import { moveBetweenRows, useWayToRows } from "../versions/rows.ts";
import { Finder } from "./Finder.tsx";
import { inSpace } from "./inSpace.ts";
import { headersOf, type Space } from "./space.ts";

type DataType = Schemas["SyncType"];

const POLICIES = [
  ["last_write", "The last write wins"],
  ["reject", "The later change is refused"],
  ["manual", "Both wait for a choice"],
] as const;

interface TypeListProps {
  project: string;
  space: Space;
  /** Grows when they are to be asked for again. */
  turn?: number;
}

/** What is synced, and what happens when two devices change a record. */
export function TypeList({ project, space, turn = 0 }: TypeListProps) {
  const [open, setOpen] = useState<DataType | null>(null);
  const [prefix, setPrefix] = useState("");
  const body = useRef<HTMLUListElement>(null);
  useWayToRows(body);
  const pages = usePages<DataType>(
    (cursor, signal) => {
      const query = { prefix, limit: 50, ...(cursor ? { cursor } : {}) };
      return get("/v1/sync/types", { in: project, query, headers: headersOf(space), signal });
    },
    [project, space, prefix, turn],
  );
  const canChange = may("sync:admin");
  const { data, more, error, busy } = pages;
  return (
    <>
      <Finder label="Find data types whose name begins so" text={prefix} change={setPrefix} hidden={!more && !prefix} />
      {busy && !data ? <Loading label="Loading data types" /> : null}
      {error ? <Failure tried="Listing data types" error={error} retry={pages.again} /> : null}
      {data?.length === 0 && !error ? (
        <p class="said">
          {prefix
            ? `No data type’s name begins with “${prefix}”.`
            : "No data type yet: each is there with its first push."}
        </p>
      ) : null}
      <ul
        class="device-list"
        ref={body}
        aria-label="Data types"
        onKeyDown={(event) => moveBetweenRows(event, body.current)}
      >
        {data?.map((type) => (
          <li key={type.data_type} data-row>
            <span />
            <div>
              <a data-open href={href(inSpace(at("p", project, "devices", "records"), { type: type.data_type }))}>
                <b>{type.data_type}</b>
              </a>
              <small>
                {counted(type.records, "record")} · {bytes(type.bytes)}
                {type.tombstones > 0 ? ` · ${counted(type.tombstones, "deletion")}` : null}
                {type.schema ? " · with a schema" : null}
              </small>
              <small>On conflict: {POLICIES.find(([policy]) => policy === type.conflicts)?.[1].toLowerCase()}</small>
              {canChange ? (
                <div class="device-acts">
                  <button
                    class="btn ghost"
                    type="button"
                    aria-label={`Change what happens on a conflict of ${type.data_type}`}
                    onClick={() => setOpen(type)}
                  >
                    Change
                  </button>
                </div>
              ) : null}
            </div>
          </li>
        ))}
      </ul>
      {more && !error ? (
        <button class="btn ghost more" type="button" onClick={pages.next} aria-disabled={busy}>
          Show more
        </button>
      ) : null}
      {open ? <Policy project={project} type={open} close={() => setOpen(null)} done={pages.again} /> : null}
    </>
  );
}

interface PolicyProps {
  project: string;
  type: DataType;
  close: () => void;
  done: () => void;
}

function Policy({ project, type, close, done }: PolicyProps) {
  return (
    <Dialog
      title={`Conflicts of ${type.data_type}`}
      lead="When a device changes a record that another has changed meanwhile, without knowing of it. For all people of the project."
      close={close}
    >
      <Form
        tried="Changing the data type"
        send={async (data) => {
          await put("/v1/sync/types/{data_type}", {
            in: project,
            path: { data_type: type.data_type },
            body: { conflicts: text(data, "conflicts") as DataType["conflicts"] },
          });
          close();
          done();
        }}
      >
        {(form) => (
          <>
            <Choice label="What happens" name="conflicts" options={POLICIES} value={type.conflicts} />
            <SubmitOrCancel form={form} close={close}>
              Save
            </SubmitOrCancel>
          </>
        )}
      </Form>
    </Dialog>
  );
}
