import { get, patch, type Schemas } from "../api.ts";
import { DangerPart } from "../endpointsettings/DangerPart.tsx";
import { KeepPart } from "../endpointsettings/KeepPart.tsx";
import { RulesPart } from "../endpointsettings/RulesPart.tsx";
import { EndpointHead } from "../parts/EndpointHead.tsx";
import { Failure } from "../parts/Failure.tsx";
import { Field, Form, Submit, text } from "../parts/Form.tsx";
import { Loading } from "../parts/Loading.tsx";
import type { PageProps } from "../routes.ts";
import { Part } from "../settings/Frame.tsx";
import { useLoad } from "../state/load.ts";
import { at, go } from "../state/location.ts";
import { toast } from "../state/toasts.ts";

export default function EndpointSettings({ params }: PageProps) {
  const [project, name] = [params.project as string, params.endpoint as string];
  const { data, error, again } = useLoad(
    (signal) => get("/v1/endpoints/{endpoint}", { in: project, path: { endpoint: name }, signal }),
    [project, name],
  );
  const endpoint = data?.endpoint;
  return (
    <main id="main" class="wrap settings">
      <EndpointHead project={project} endpoint={name} section="settings" />
      {error ? <Failure tried="Loading the settings" error={error} retry={again} /> : null}
      {!endpoint && !error ? <Loading /> : null}
      {endpoint ? (
        <>
          <General project={project} endpoint={endpoint} />
          <RulesPart key={endpoint.id} project={project} endpoint={endpoint} changed={again} />
          <KeepPart key={endpoint.updated_at} project={project} endpoint={endpoint} changed={again} />
          <DangerPart project={project} endpoint={endpoint} />
        </>
      ) : null}
    </main>
  );
}

function General({ project, endpoint }: { project: string; endpoint: Schemas["Endpoint"] }) {
  const send = async (data: FormData) => {
    const body = { name: text(data, "name").trim(), description: text(data, "description").trim() };
    const answer = await patch("/v1/endpoints/{endpoint}", { in: project, path: { endpoint: endpoint.id }, body });
    toast("Saved");
    go(at("p", project, "e", answer.endpoint.name, "settings"), { replace: true });
  };
  return (
    <Part title="General">
      <Form send={send} tried="Saving">
        {(form) => (
          <>
            <Field
              form={form}
              label="Name"
              name="name"
              required
              maxLength={200}
              defaultValue={endpoint.name}
              hint="Programs that send snapshots by name make another endpoint under the old one."
            />
            <Field
              form={form}
              label="Description"
              name="description"
              maxLength={2000}
              defaultValue={endpoint.description}
            />
            <div class="acts">
              <Submit form={form}>Save</Submit>
            </div>
          </>
        )}
      </Form>
    </Part>
  );
}
