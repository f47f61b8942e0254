import type { ComponentChildren } from "preact";
import { useState } from "preact/hooks";
import { Ago } from "../parts/Ago.tsx";
import { Destroy } from "../parts/Destroy.tsx";
import { Failure } from "../parts/Failure.tsx";
import type { Pages } from "../state/pages.ts";
import { Table } from "./Table.tsx";

interface Deleted {
  id: string;
  name: string;
  deleted_at?: string;
  purge_at?: string;
}

interface BinProps<T> {
  /** What lies in it: "Endpoint". */
  kind: string;
  pages: Pages<T>;
  /** What goes with one that is deleted for good. */
  lead: string;
  empty: ComponentChildren;
  restore: (one: T) => Promise<unknown>;
  purge: (one: T) => Promise<unknown>;
}

/** What was deleted, to be restored or deleted for good. */
export function Bin<T extends Deleted>({ kind, pages, lead, empty, restore, purge }: BinProps<T>) {
  const [purged, setPurged] = useState<T | null>(null);
  const [error, setError] = useState<unknown>(null);
  const restoreOne = (one: T) => {
    setError(null);
    restore(one).catch(setError);
  };
  const purgeOne = async (one: T) => {
    await purge(one);
    setPurged(null);
  };
  return (
    <>
      {error ? <Failure tried="Restoring" error={error} /> : null}
      <Table
        name={`Deleted ${kind.toLowerCase()}s`}
        pages={pages}
        columns={[
          { title: kind },
          { title: "Deleted" },
          { title: "Gone for good" },
          { title: "Actions", hidden: true },
        ]}
        keyOf={(one) => one.id}
        row={(one) => <Row one={one} restore={() => restoreOne(one)} purge={() => setPurged(one)} />}
        empty={empty}
      />
      {purged ? (
        <Destroy
          title={`Delete ${purged.name} for good`}
          lead={lead}
          label="Type its name"
          name={purged.name}
          action="Delete for good"
          run={() => purgeOne(purged)}
          close={() => setPurged(null)}
        />
      ) : null}
    </>
  );
}

function Row({ one, restore, purge }: { one: Deleted; restore: () => void; purge: () => void }) {
  return (
    <>
      <th scope="row">
        <b>{one.name}</b>
      </th>
      <td data-name="Deleted">{one.deleted_at ? <Ago at={one.deleted_at} /> : null}</td>
      <td data-name="Gone for good">{one.purge_at ? <Ago at={one.purge_at} /> : null}</td>
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
