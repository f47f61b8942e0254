import { useState } from "preact/hooks";
import { get, post, remove, type Schemas } from "../api.ts";
import { Ago } from "../parts/Ago.tsx";
import { Destroy } from "../parts/Destroy.tsx";
import { Dialog } from "../parts/Dialog.tsx";
import { Failure } from "../parts/Failure.tsx";
import { Field, Form, Submit, text } from "../parts/Form.tsx";
import { InstanceFrame, Part } from "../settings/Frame.tsx";
import { Table } from "../settings/Table.tsx";
import { at, go, href } from "../state/location.ts";
import { usePages } from "../state/pages.ts";

type Project = Schemas["Project"];

const COLUMNS = [{ title: "Project" }, { title: "Plan" }, { title: "Made" }, { title: "Actions", hidden: true }];
const BIN = [
  { title: "Project" },
  { title: "Deleted" },
  { title: "Gone for good" },
  { title: "Actions", hidden: true },
];

export default function Projects() {
  const [making, setMaking] = useState(false);
  const [turn, setTurn] = useState(0);
  const pages = usePages<Project>(
    (cursor, signal) => get("/v1/projects", { query: { limit: 100, ...(cursor ? { cursor } : {}) }, signal }),
    [turn],
  );
  const add = (
    <button class="btn primary" type="button" onClick={() => setMaking(true)}>
      New project
    </button>
  );
  return (
    <InstanceFrame>
      <Part title="Projects" lead="Each has its own endpoints, keys and members." acts={add}>
        <Table
          name="Projects"
          pages={pages}
          columns={COLUMNS}
          keyOf={(one) => one.id}
          row={(one) => <Row project={one} />}
          empty={
            <>
              <p>No project yet. Make one, then send the first document.</p>
              {add}
            </>
          }
        />
      </Part>
      <Bin turn={turn} changed={() => setTurn(turn + 1)} />
      {making ? <NewProject close={() => setMaking(false)} /> : null}
    </InstanceFrame>
  );
}

function Row({ project }: { project: Project }) {
  return (
    <>
      <th scope="row">
        <a href={href(at("p", project.name))}>
          <b>{project.name}</b>
        </a>
        {project.description ? <small>{project.description}</small> : null}
      </th>
      <td>{project.plan}</td>
      <td>
        <Ago at={project.created_at} />
      </td>
      <td class="row-acts">
        <a class="btn" href={href(at("p", project.name, "settings"))}>
          Settings
        </a>
      </td>
    </>
  );
}

function NewProject({ close }: { close: () => void }) {
  const send = async (data: FormData) => {
    const body = { name: text(data, "name").trim(), description: text(data, "description").trim() };
    const { project } = await post("/v1/projects", { body });
    go(at("p", project.name));
  };
  return (
    <Dialog title="New project" close={close}>
      <Form send={send} tried="Making the project">
        {(form) => (
          <>
            <Field form={form} label="Name" name="name" required maxLength={200} autofocus />
            <Field form={form} label="Description" name="description" maxLength={2000} />
            <div class="acts">
              <button class="btn" type="button" onClick={close}>
                Cancel
              </button>
              <Submit form={form}>Make the project</Submit>
            </div>
          </>
        )}
      </Form>
    </Dialog>
  );
}

/** What was deleted and can still be restored; nothing where nothing was. */
function Bin({ turn, changed }: { turn: number; changed: () => void }) {
  const [purged, setPurged] = useState<Project | null>(null);
  const [error, setError] = useState<unknown>(null);
  const pages = usePages<Project>(
    (cursor, signal) =>
      get("/v1/projects", { query: { deleted: true, limit: 100, ...(cursor ? { cursor } : {}) }, signal }),
    [turn],
  );
  const restore = async ({ id }: Project) => {
    setError(null);
    await post("/v1/projects/{project_id}/restore", { path: { project_id: id } }).then(changed, setError);
  };
  const purge = async ({ id }: Project) => {
    await remove("/v1/projects/{project_id}", { path: { project_id: id }, query: { purge: true } });
    setPurged(null);
    changed();
  };
  if (pages.data?.length === 0) return null;
  return (
    <Part title="Bin">
      {error ? <Failure tried="Restoring" error={error} /> : null}
      <Table
        name="Deleted projects"
        pages={pages}
        columns={BIN}
        keyOf={(one) => one.id}
        row={(one) => <Binned project={one} restore={() => void restore(one)} purge={() => setPurged(one)} />}
        empty={null}
      />
      {purged ? (
        <Destroy
          title={`Delete ${purged.name} for good`}
          lead="All of its endpoints, versions, events and keys go. This cannot be undone."
          label="Type its name"
          name={purged.name}
          action="Delete for good"
          run={() => purge(purged)}
          close={() => setPurged(null)}
        />
      ) : null}
    </Part>
  );
}

function Binned({ project, restore, purge }: { project: Project; restore: () => void; purge: () => void }) {
  return (
    <>
      <th scope="row">
        <b>{project.name}</b>
      </th>
      <td>{project.deleted_at ? <Ago at={project.deleted_at} /> : null}</td>
      <td>{project.purge_at ? <Ago at={project.purge_at} /> : null}</td>
      <td class="row-acts">
        <button class="btn" type="button" onClick={restore}>
          Restore
        </button>
        <button class="btn" type="button" onClick={purge}>
          Delete for good
        </button>
      </td>
    </>
  );
}
