import { useState } from "preact/hooks";
import { Destroy } from "../parts/Destroy.tsx";
import { go } from "../state/location.ts";
import { toast } from "../state/toasts.ts";
import { Part } from "./Frame.tsx";

interface DeleteProps {
  kind: "project" | "endpoint";
  name: string;
  lead: string;
  /** What would go: "200 versions, 24.4 kB". */
  what: string;
  remove: () => Promise<unknown>;
  restore: () => Promise<unknown>;
  /** The address of what it is, and of the list that it leaves. */
  own: string;
  list: string;
}

/** Into the bin, from which it comes back as it was. */
export function DeletePart({ kind, name, lead, what, remove, restore, own, list }: DeleteProps) {
  const [open, setOpen] = useState(false);
  const undo = async () => {
    await restore();
    go(own);
  };
  const run = async () => {
    await remove();
    toast(`${name} lies in the bin`, { name: "Undo", run: undo });
    go(list);
  };
  return (
    <Part id="danger" title="Delete" lead={lead}>
      <div class="acts">
        <button class="btn danger" type="button" onClick={() => setOpen(true)}>
          Delete the {kind}
        </button>
      </div>
      {open ? (
        <Destroy
          title={`Delete ${name}`}
          lead={`${what} would go into the bin.`}
          label="Type its name"
          name={name}
          action="Delete"
          run={run}
          close={() => setOpen(false)}
        />
      ) : null}
    </Part>
  );
}
