import { useState } from "preact/hooks";
import { get, post, remove, type Schemas } from "../api.ts";
import { Ago } from "../parts/Ago.tsx";
import { Destroy } from "../parts/Destroy.tsx";
import { Failure } from "../parts/Failure.tsx";
import { Table } from "../settings/Table.tsx";
import { usePages } from "../state/pages.ts";
import "../settings/settings.css";

type Endpoint = Schemas["Endpoint"];

const COLUMNS = [
  { title: "Endpoint" },
  { title: "Deleted" },
  { title: "Gone for good" },
  { title: "Actions", hidden: true },
];

/** Deleted endpoints, to be restored or deleted for good. */
export default function Binned({ project, changed }: { project: string; changed: () => void }) {
  const [purged, setPurged] = useState<Endpoint | null>(null);
  const [error, setError] = useState<unknown>(null);
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
    setError(null);
    try {
      await post("/v1/endpoints/{endpoint}/restore", { in: project, path: { endpoint: id } });
      pages.again();
      changed();
    } catch (caught) {
      setError(caught);
    }
  };
  const purge = async ({ id }: Endpoint) => {
    await remove("/v1/endpoints/{endpoint}", { in: project, path: { endpoint: id }, query: { purge: true } });
    setPurged(null);
    pages.again();
  };
  return (
    <>
      {error ? <Failure tried="Restoring" error={error} /> : null}
      <Table
        name="Deleted endpoints"
        pages={pages}
        columns={COLUMNS}
        keyOf={(one) => one.id}
        row={(one) => <Row one={one} restore={() => void restore(one)} purge={() => setPurged(one)} />}
        empty={<p>The bin is empty.</p>}
      />
      {purged ? (
        <Destroy
          title={`Delete ${purged.name} for good`}
          lead="All of its versions go. This cannot be undone."
          label="Type its name"
          name={purged.name}
          action="Delete for good"
          run={() => purge(purged)}
          close={() => setPurged(null)}
        />
      ) : null}
    </>
  );
}

function Row({ one, restore, purge }: { one: Endpoint; restore: () => void; purge: () => void }) {
  return (
    <>
      <th scope="row">
        <b>{one.name}</b>
      </th>
      <td>{one.deleted_at ? <Ago at={one.deleted_at} /> : null}</td>
      <td>{one.purge_at ? <Ago at={one.purge_at} /> : null}</td>
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
