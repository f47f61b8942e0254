import { get, patch, post, remove, type Schemas } from "../api.ts";
import { bytes, counted } from "../numbers.ts";
import { Failure } from "../parts/Failure.tsx";
import { Field, Form, text } from "../parts/Form.tsx";
import { Loading } from "../parts/Loading.tsx";
import { Locked } from "../parts/Locked.tsx";
import type { PageProps } from "../routes.ts";
import { DeletePart } from "../settings/DeletePart.tsx";
import { Part, ProjectFrame } from "../settings/Frame.tsx";
import { GeneralPart, type Named } from "../settings/Named.tsx";
import { useLoad } from "../state/load.ts";
import { at } from "../state/location.ts";
import { may } from "../state/may.ts";
import { toast } from "../state/toasts.ts";

type Project = Schemas["Project"];

export default function ProjectSettings({ params }: PageProps) {
  const name = params.project as string;
  const { data, error, again } = useLoad(
    (signal) => get("/v1/projects/{project_id}", { path: { project_id: name }, signal }),
    [name],
  );
  return (
    <ProjectFrame project={name}>
      {error ? <Failure tried="Loading the project" error={error} retry={again} /> : null}
      {!data && !error ? <Loading /> : null}
      {data ? (
        <>
          <Locked scope="projects:admin" by="An admin of the project">
            <General project={data.project} />
          </Locked>
          {may("projects:admin") ? (
            <>
              <Transfer project={data.project} />
              <Danger project={data.project} />
            </>
          ) : null}
        </>
      ) : null}
    </ProjectFrame>
  );
}

function General({ project }: { project: Project }) {
  const save = async (body: Named) => {
    const changed = await patch("/v1/projects/{project_id}", { path: { project_id: project.id }, body });
    return at("p", changed.project.name, "settings");
  };
  return (
    <GeneralPart
      value={project}
      lead={`The plan is ${project.plan}.`}
      hint="Links carry it: others have to be sent new ones."
      save={save}
    />
  );
}

function Transfer({ project }: { project: Project }) {
  const path = { project_id: project.id };
  const { data, again } = useLoad(
    (signal) => get("/v1/projects/{project_id}/members", { path, query: { limit: 1 }, signal }),
    [project.id],
  );
  const send = async (form: FormData) => {
    const { owner } = await post("/v1/projects/{project_id}/transfer", {
      path,
      body: { owner: text(form, "owner").trim() },
    });
    toast(`The project is ${owner.email}'s now`);
    again();
  };
  return (
    <Part title="Owner" lead={data ? `It belongs to ${data.owner?.email ?? "the instance"}.` : undefined}>
      <Form send={send} tried="Transferring">
        {(form) => (
          <>
            <Field
              form={form}
              label="Give it to"
              name="owner"
              type="email"
              required
              autocomplete="off"
              placeholder="bo@example.com"
              hint="Somebody who has an account here; they become an admin of it."
            />
            <div class="acts">
              <button class="btn" type="submit" aria-disabled={form.busy}>
                Transfer
              </button>
            </div>
          </>
        )}
      </Form>
    </Part>
  );
}

function Danger({ project }: { project: Project }) {
  const path = { project_id: project.id };
  const usage = useLoad((signal) => get("/v1/projects/{project_id}/usage", { path, signal }), [project.id]);
  const kept = usage.data?.usage;
  const what = kept
    ? `${counted(kept.endpoints, "endpoint")}, ${counted(kept.snapshots, "version")}, ${bytes(kept.stored_bytes)}`
    : "All";
  return (
    <DeletePart
      kind="project"
      name={project.name}
      lead="It lies in the bin for a while, from which it can be restored. Its keys are refused meanwhile."
      what={what}
      remove={() => remove("/v1/projects/{project_id}", { path })}
      restore={() => post("/v1/projects/{project_id}/restore", { path })}
      own={at("p", project.name)}
      list="/projects"
    />
  );
}
