import { get, post, remove, type Schemas } from "../api.ts";
import { bytes, counted } from "../numbers.ts";
import { DeletePart } from "../settings/DeletePart.tsx";
import { useLoad } from "../state/load.ts";
import { at } from "../state/location.ts";

export function DangerPart({ project, endpoint }: { project: string; endpoint: Schemas["Endpoint"] }) {
  const path = { endpoint: endpoint.id };
  const stats = useLoad(
    (signal) => get("/v1/endpoints/{endpoint}/stats", { in: project, path, query: { interval: "1w" }, signal }),
    [project, endpoint.id],
  );
  const totals = stats.data?.totals;
  return (
    <DeletePart
      kind="endpoint"
      name={endpoint.name}
      lead="It lies in the bin for a while, from which the overview restores it."
      what={totals ? `${counted(totals.snapshots, "version")}, ${bytes(totals.stored_bytes)}` : "All versions"}
      remove={() => remove("/v1/endpoints/{endpoint}", { in: project, path })}
      restore={() => post("/v1/endpoints/{endpoint}/restore", { in: project, path })}
      own={at("p", project, "e", endpoint.name)}
      list={at("p", project)}
    />
  );
}
