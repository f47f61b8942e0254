import { useState } from "preact/hooks";
import { get, post, remove, type Schemas } from "../api.ts";
import { Ago } from "../parts/Ago.tsx";
import { Dialog } from "../parts/Dialog.tsx";
import { Form, SubmitOrCancel } from "../parts/Form.tsx";
import { Bin } from "../settings/Bin.tsx";
import { InstanceFrame, Part } from "../settings/Frame.tsx";
import { NamedFields, namedOf } from "../settings/Named.tsx";
import { Table } from "../settings/Table.tsx";
import { useLoad } from "../state/load.ts";
import { at, go, href } from "../state/location.ts";
import { usePages } from "../state/pages.ts";
import { person } from "../state/session.ts";

type Project = Schemas["Project"];

const COLUMNS = [{ title: "Project" }, { title: "Plan" }, { title: "Made" }, { title: "Actions", hidden: true }];

export default function Projects() {
  const [making, setMaking] = useState(false);
  const [turn, setTurn] = useState(0);
  const pages = usePages<Project>(
    (cursor, signal) => get("/v1/projects", { query: { limit: 100, ...(cursor ? { cursor } : {}) }, signal }),
    [turn],
  );
  const mayMake = useMayMake();
  const add = mayMake ? (
    <button class="btn primary" type="button" onClick={() => setMaking(true)}>
      New project
    </button>
  ) : null;
  return (
    <InstanceFrame>
      <Part title="Projects" lead="Each has its own endpoints, keys and members." acts={add}>
        <Table
          name="Projects"
          pages={pages}
          columns={COLUMNS}
          keyOf={(one) => one.id}
          textOf={(one) => `${one.name} ${one.description}`}
          row={(one) => <Row project={one} />}
          empty={
            <>
              <p>
                {mayMake
                  ? "No project yet. Make one, then send the first document."
                  : "You are in no project yet: an admin of one, or who runs this server, can add you."}
              </p>
              {add}
            </>
          }
        />
      </Part>
      <ProjectBin turn={turn} changed={() => setTurn(turn + 1)} />
      {making ? <NewProject close={() => setMaking(false)} /> : null}
    </InstanceFrame>
  );
}

/** Members of the instance have projects of their own where everybody may register. */
function useMayMake(): boolean {
  const { data } = useLoad((signal) => get("/v1/auth/methods", { open: true, signal }), []);
  return person.value?.role !== "member" || data?.registration === "open";
}

function Row({ project }: { project: Project }) {
  return (
    <>
      <th scope="row">
        <a href={href(at("p", project.name))} data-open>
          <b>{project.name}</b>
        </a>
        {project.description ? <small>{project.description}</small> : null}
      </th>
      <td data-name="Plan">{project.plan}</td>
      <td data-name="Made">
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
    const { project } = await post("/v1/projects", { body: namedOf(data) });
    go(at("p", project.name));
  };
  return (
    <Dialog title="New project" close={close}>
      <Form send={send} tried="Making the project">
        {(form) => (
          <>
            <NamedFields form={form} autofocus />
            <SubmitOrCancel form={form} close={close}>
              Make the project
            </SubmitOrCancel>
          </>
        )}
      </Form>
    </Dialog>
  );
}

/** Nothing where nothing was deleted. */
function ProjectBin({ turn, changed }: { turn: number; changed: () => void }) {
  const pages = usePages<Project>(
    (cursor, signal) =>
      get("/v1/projects", { query: { deleted: true, limit: 100, ...(cursor ? { cursor } : {}) }, signal }),
    [turn],
  );
  if (pages.data?.length === 0) return null;
  return (
    <Part title="Bin">
      <Bin
        kind="Project"
        pages={pages}
        lead="All of its endpoints, versions, events and keys go. This cannot be undone."
        empty={null}
        restore={({ id }) => post("/v1/projects/{project_id}/restore", { path: { project_id: id } }).then(changed)}
        purge={({ id }) =>
          remove("/v1/projects/{project_id}", { path: { project_id: id }, query: { purge: true } }).then(changed)
        }
      />
    </Part>
  );
}
