import { get, patch, type Schemas } from "../api.ts";
import { DangerPart } from "../endpointsettings/DangerPart.tsx";
import { KeepPart } from "../endpointsettings/KeepPart.tsx";
import { RulesPart } from "../endpointsettings/RulesPart.tsx";
import { EndpointHead } from "../parts/EndpointHead.tsx";
import { Failure } from "../parts/Failure.tsx";
import { Loading } from "../parts/Loading.tsx";
import { Locked } from "../parts/Locked.tsx";
import type { PageProps } from "../routes.ts";
import { GeneralPart, type Named } from "../settings/Named.tsx";
import { useLoad } from "../state/load.ts";
import { at } from "../state/location.ts";
import { may } from "../state/may.ts";

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
          <Locked scope="endpoints:write" by="An editor or admin of the project">
            <General project={project} endpoint={endpoint} />
            <RulesPart key={endpoint.id} project={project} endpoint={endpoint} changed={again} />
          </Locked>
          <Locked scope="endpoints:admin" by="An admin of the project">
            <KeepPart key={endpoint.updated_at} project={project} endpoint={endpoint} changed={again} />
          </Locked>
          {may("endpoints:admin") ? <DangerPart project={project} endpoint={endpoint} /> : null}
        </>
      ) : null}
    </main>
  );
}

function General({ project, endpoint }: { project: string; endpoint: Schemas["Endpoint"] }) {
  const save = async (body: Named) => {
    const answer = await patch("/v1/endpoints/{endpoint}", { in: project, path: { endpoint: endpoint.id }, body });
    return at("p", project, "e", answer.endpoint.name, "settings");
  };
  return (
    <GeneralPart
      value={endpoint}
      hint="Programs that send snapshots by name make another endpoint under the old one."
      save={save}
    />
  );
}
