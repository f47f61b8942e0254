import { get, post, remove, type Schemas } from "../api.ts";
import { Bin } from "../settings/Bin.tsx";
import { usePages } from "../state/pages.ts";

type Endpoint = Schemas["Endpoint"];

/** Deleted endpoints, to be restored or deleted for good. */
export default function Binned({ project, changed }: { project: string; changed: () => void }) {
  const pages = usePages<Endpoint>(
    (cursor, signal) =>
      get("/v1/endpoints", {
        in: project,
        query: { deleted: true, limit: 100, ...(cursor ? { cursor } : {}) },
        signal,
      }),
    [project],
  );
  const restore = async ({ id }: Endpoint) => {
    await post("/v1/endpoints/{endpoint}/restore", { in: project, path: { endpoint: id } });
    pages.again();
    changed();
  };
  const purge = async ({ id }: Endpoint) => {
    await remove("/v1/endpoints/{endpoint}", { in: project, path: { endpoint: id }, query: { purge: true } });
    pages.again();
  };
  return (
    <Bin
      kind="Endpoint"
      pages={pages}
      lead="All of its versions go. This cannot be undone."
      empty={<p>The bin is empty.</p>}
      restore={restore}
      purge={purge}
    />
  );
}
