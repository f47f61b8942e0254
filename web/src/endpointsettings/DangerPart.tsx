import { useState } from "preact/hooks";
import { get, post, remove, type Schemas } from "../api.ts";
import { bytes, counted } from "../numbers.ts";
import { Destroy } from "../parts/Destroy.tsx";
import { Part } from "../settings/Frame.tsx";
import { useLoad } from "../state/load.ts";
import { at, go } from "../state/location.ts";
import { toast } from "../state/toasts.ts";

/** Into the bin, from which it comes back as it was. */
export function DangerPart({ project, endpoint }: { project: string; endpoint: Schemas["Endpoint"] }) {
  const [open, setOpen] = useState(false);
  const path = { endpoint: endpoint.id };
  const stats = useLoad(
    (signal) => get("/v1/endpoints/{endpoint}/stats", { in: project, path, query: { interval: "1w" }, signal }),
    [project, endpoint.id],
  );
  const totals = stats.data?.totals;
  const run = async () => {
    await remove("/v1/endpoints/{endpoint}", { in: project, path });
    const restore = async () => {
      await post("/v1/endpoints/{endpoint}/restore", { in: project, path });
      go(at("p", project, "e", endpoint.name));
    };
    toast(`${endpoint.name} lies in the bin`, { name: "Undo", run: restore });
    go(at("p", project));
  };
  const what = totals ? `${counted(totals.snapshots, "version")}, ${bytes(totals.stored_bytes)}` : "All versions";
  return (
    <Part id="danger" title="Delete" lead="It lies in the bin for a while, from which the overview restores it.">
      <div class="acts">
        <button class="btn danger" type="button" onClick={() => setOpen(true)}>
          Delete the endpoint
        </button>
      </div>
      {open ? (
        <Destroy
          title={`Delete ${endpoint.name}`}
          lead={`${what} would go into the bin.`}
          label="Type its name"
          name={endpoint.name}
          action="Delete"
          run={run}
          close={() => setOpen(false)}
        />
      ) : null}
    </Part>
  );
}
