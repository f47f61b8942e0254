import { useState } from "preact/hooks";
import { get, post, remove, type Schemas } from "../api.ts";
import { NewKey } from "../keys/NewKey.tsx";
import { ShownOnce } from "../keys/ShownOnce.tsx";
import { scopesText } from "../keys/scopes.ts";
import { Ago } from "../parts/Ago.tsx";
import { Destroy } from "../parts/Destroy.tsx";
import { Dialog } from "../parts/Dialog.tsx";
import { Choice, Form, SubmitOrCancel, text } from "../parts/Form.tsx";
import { Problem } from "../problem.ts";
import type { PageProps } from "../routes.ts";
import { Part, ProjectFrame } from "../settings/Frame.tsx";
import { Table } from "../settings/Table.tsx";
import { usePages } from "../state/pages.ts";

type Key = Schemas["ApiKey"];
type Open =
  | { what: "new" }
  | { what: "rotate" | "revoke"; key: Key }
  | { what: "made"; title: string; secret: string }
  | null;

const COLUMNS = [
  { title: "Name" },
  { title: "May" },
  { title: "Made" },
  { title: "Last used" },
  { title: "Expires" },
  { title: "Actions", hidden: true },
];

export default function Keys({ params }: PageProps) {
  const project = params.project as string;
  const [open, setOpen] = useState<Open>(null);
  const pages = usePages<Key>(
    (cursor, signal) =>
      get("/v1/auth/api-keys", { in: project, query: { limit: 100, ...(cursor ? { cursor } : {}) }, signal }),
    [project],
  );
  const close = () => setOpen(null);
  const shown = (title: string, secret: string | null) => {
    pages.again();
    setOpen(secret === null ? null : { what: "made", title, secret });
  };
  const add = (
    <button class="btn primary" type="button" onClick={() => setOpen({ what: "new" })}>
      New key
    </button>
  );
  return (
    <ProjectFrame project={project}>
      <Part
        title="Keys"
        lead="Programs sign their requests with them. A key is shown once, when it is made."
        acts={pages.data && pages.data.length > 0 ? add : null}
      >
        <Table
          name="Keys"
          pages={pages}
          columns={COLUMNS}
          keyOf={(key) => key.id}
          textOf={(key) => `${key.name} ${key.last_four ?? ""} ${key.created_by?.email ?? ""}`}
          row={(key) => <Row item={key} open={setOpen} />}
          empty={
            <>
              <p>No key yet. A program needs one to send snapshots and events, or to read them.</p>
              {add}
            </>
          }
        />
      </Part>
      {open?.what === "new" ? (
        <NewKey project={project} close={close} made={(made) => shown("The new key", made.key)} />
      ) : null}
      {open?.what === "rotate" ? (
        <Rotate
          project={project}
          item={open.key}
          close={close}
          made={(made) => shown("The key that takes its place", made.key)}
        />
      ) : null}
      {open?.what === "revoke" ? (
        <Revoke project={project} item={open.key} close={close} done={() => [pages.again(), close()]} />
      ) : null}
      {open?.what === "made" ? (
        <ShownOnce
          title={open.title}
          lead="Copy it now: it is stored nowhere and shown this once."
          secret={open.secret}
          close={close}
        />
      ) : null}
    </ProjectFrame>
  );
}

function Row({ item, open }: { item: Key; open: (what: Open) => void }) {
  const active = item.state === "active";
  return (
    <>
      <th scope="row" class={active ? undefined : "off"}>
        <b>{item.name || "without a name"}</b>
        <small>
          <code>…{item.last_four ?? "????"}</code>
        </small>
      </th>
      <td data-name="May" title={item.scopes.join(", ")}>
        {scopesText(item.scopes)}
      </td>
      <td data-name="Made">
        <Ago at={item.created_at} />
        {item.created_by?.email ? <small>{maker(item)}</small> : null}
      </td>
      <td data-name="Last used">
        {item.last_used_at ? <Ago at={item.last_used_at} /> : <span class="quiet">never</span>}
      </td>
      <td data-name={active ? "Expires" : undefined}>
        <Ends item={item} />
      </td>
      <td class="row-acts">
        {active && item.replaced_by === null ? (
          <button class="btn" type="button" onClick={() => open({ what: "rotate", key: item })}>
            Rotate
          </button>
        ) : null}
        {active ? (
          <button class="btn" type="button" onClick={() => open({ what: "revoke", key: item })}>
            Revoke
          </button>
        ) : null}
      </td>
    </>
  );
}

function maker({ created_by: by }: Key): string {
  return by?.state === "active" ? `by ${by.email}` : `by ${by?.email}, ${by?.state}`;
}

function Ends({ item }: { item: Key }) {
  if (item.state === "revoked" && item.revoked_at) {
    return (
      <span class="quiet">
        revoked <Ago at={item.revoked_at} />
      </span>
    );
  }
  if (item.expires_at === null) return <span class="quiet">never</span>;
  return (
    <>
      {item.state === "expired" ? "expired " : ""}
      <Ago at={item.expires_at} />
      {item.replaced_by ? <small>another took its place</small> : null}
    </>
  );
}

const OVERLAPS = { "24h": "Another day", "1h": "Another hour", "7d": "Another week", "0s": "Not at all" };

interface RotateProps {
  project: string;
  item: Key;
  made: (answer: Schemas["RotationAnswer"]) => void;
  close: () => void;
}

function Rotate({ project, item, made, close }: RotateProps) {
  const send = async (data: FormData) => {
    const body = { overlap: text(data, "overlap") } as Schemas["Rotation"];
    made(await post("/v1/auth/api-keys/{key_id}/rotate", { in: project, path: { key_id: item.id }, body }));
  };
  return (
    <Dialog
      title={`Rotate ${item.name || "the key"}`}
      lead="Another key with the same scopes takes its place."
      close={close}
    >
      <Form send={send} tried="Rotating the key">
        {(form) => (
          <>
            <Choice label="The old key stays valid" name="overlap" options={Object.entries(OVERLAPS)} />
            <SubmitOrCancel form={form} close={close}>
              Rotate
            </SubmitOrCancel>
          </>
        )}
      </Form>
    </Dialog>
  );
}

/** The last key that may do everything is revoked only by who says so twice. */
function Revoke({ project, item, done, close }: { project: string; item: Key; done: () => void; close: () => void }) {
  const [last, setLast] = useState(false);
  const name = item.name || (item.last_four ?? item.id);
  const run = async () => {
    try {
      const query = last ? { force: true } : {};
      await remove("/v1/auth/api-keys/{key_id}", { in: project, path: { key_id: item.id }, query });
      done();
    } catch (error) {
      if (error instanceof Problem && error.status === 409) setLast(true);
      throw error;
    }
  };
  return (
    <Destroy
      title={`Revoke ${name}`}
      lead="Programs that use it are refused from now on. This cannot be undone."
      label={item.name ? "Type its name" : "Type its last four characters"}
      name={name}
      action={last ? "Revoke the last one" : "Revoke"}
      run={run}
      close={close}
    />
  );
}
