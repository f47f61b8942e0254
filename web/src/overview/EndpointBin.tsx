import { useState } from "preact/hooks";
import { Later } from "../parts/Later.tsx";

const binned = () => import("./Binned.tsx");

/** Deleted endpoints, asked for when somebody opens it. */
export function EndpointBin({ project, changed }: { project: string; changed: () => void }) {
  const [open, setOpen] = useState(false);
  return (
    <details class="bin" onToggle={(event) => setOpen(event.currentTarget.open)}>
      <summary>Bin</summary>
      {open ? <Later from={binned} props={{ project, changed }} /> : null}
    </details>
  );
}
