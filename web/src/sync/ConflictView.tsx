import { useState } from "preact/hooks";
import { post } from "../api.ts";
import { counted } from "../numbers.ts";
import { Ago } from "../parts/Ago.tsx";
import { Problem } from "../problem.ts";
import { at, href } from "../state/location.ts";
import { may } from "../state/may.ts";
import { toast } from "../state/toasts.ts";
import { type Conflict, type Field, left, ofOpen, type Picks, type Side, shown } from "./conflict.ts";
import { inSpace } from "./inSpace.ts";
import { headersOf, type Space } from "./space.ts";

interface ConflictViewProps {
  project: string;
  space: Space;
  conflict: Conflict;
  /** A choice was made, here or elsewhere. */
  done: () => void;
}

/** One record as it was, as a device changed it and as it is now. What one side changed is merged; the rest is chosen. */
export function ConflictView({ project, space, conflict, done }: ConflictViewProps) {
  const [picks, setPicks] = useState<Picks>({});
  const [busy, setBusy] = useState(false);
  const canChoose = may("sync:write");
  const device = conflict.device ?? "the device";
  const choose = async (take: Side | "merge") => {
    setBusy(true);
    try {
      await post("/v1/sync/conflicts/{conflict_id}", {
        in: project,
        path: { conflict_id: conflict.id },
        headers: headersOf(space),
        body: {
          take,
          server_version: conflict.server?.version ?? 1,
          ...(take === "merge" ? { picks: ofOpen(conflict, picks) } : {}),
        },
      });
      toast(`Chosen: ${conflict.data_type}/${conflict.record_id}`);
    } catch (error) {
      toast(error instanceof Problem ? error.message : String(error));
    }
    setBusy(false);
    done();
  };
  const open = left(conflict, picks);
  return (
    <>
      <div class="part-h">
        <h3>
          <a
            href={href(
              inSpace(at("p", project, "devices", "records"), { type: conflict.data_type, record: conflict.record_id }),
            )}
          >
            {conflict.data_type}/{conflict.record_id}
          </a>
        </h3>
        <span class="quiet">
          pushed <Ago at={conflict.created_at} /> by {device}
        </span>
      </div>
      {conflict.merge ? (
        <Places conflict={conflict} device={device} picks={picks} pick={canChoose ? setPicks : null} />
      ) : (
        <p class="said">{whyWhole(conflict)} One of the two is taken whole.</p>
      )}
      {canChoose ? (
        <footer class="foot">
          <button class="btn" type="button" disabled={busy} onClick={() => void choose("device")}>
            Take {device}’s
          </button>
          <button class="btn" type="button" disabled={busy} onClick={() => void choose("server")}>
            Keep the server’s
          </button>
          {conflict.merge ? (
            <>
              <span class="grow" />
              <span class="quiet">{open.length > 0 ? `${counted(open.length, "place")} to choose` : "all chosen"}</span>
              <button
                class="btn primary"
                type="button"
                disabled={busy || open.length > 0}
                onClick={() => void choose("merge")}
              >
                Take the merged
              </button>
            </>
          ) : null}
        </footer>
      ) : null}
    </>
  );
}

function whyWhole({ theirs, server, base }: Conflict): string {
  if (theirs.operation === "delete") return "The device deleted the record, which has changed.";
  if (server?.operation === "delete") return "The record was deleted, and the device changed it.";
  if (theirs.encrypted !== undefined || server?.encrypted !== undefined) return "The record is encrypted.";
  return base === null
    ? "The version that the device changed is not known any more."
    : "The versions cannot be merged.";
}

interface PlacesProps {
  conflict: Conflict;
  device: string;
  picks: Picks;
  pick: ((picks: Picks) => void) | null;
}

function Places({ conflict, device, picks, pick }: PlacesProps) {
  const fields = conflict.merge?.fields ?? [];
  const more = (conflict.merge?.fields_count ?? 0) - fields.length;
  return (
    <div class="places">
      <table class="tb">
        <thead>
          <tr>
            <th scope="col">Place</th>
            <th scope="col">Before</th>
            <th scope="col">{device}</th>
            <th scope="col">Server</th>
          </tr>
        </thead>
        <tbody>
          {fields.map((field) => (
            <tr key={field.path} class={field.open ? "open" : undefined}>
              <th scope="row">{field.path || "the record"}</th>
              <td data-name="Before">
                <code>{shown(field, "base")}</code>
              </td>
              {(["device", "server"] as const).map((side) => (
                <td key={side} data-name={side === "device" ? device : "Server"}>
                  <Value
                    field={field}
                    side={side}
                    taken={field.open ? picks[field.path] === side : field.by === side || field.by === "both"}
                    take={field.open && pick ? () => pick({ ...picks, [field.path]: side }) : null}
                  />
                </td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
      {more > 0 ? <p class="quiet">and {counted(more, "place")} more, merged likewise</p> : null}
    </div>
  );
}

interface ValueProps {
  field: Field;
  side: Side;
  taken: boolean;
  take: (() => void) | null;
}

function Value({ field, side, taken, take }: ValueProps) {
  const text = <code class={taken ? "taken" : undefined}>{shown(field, side)}</code>;
  if (!take) return text;
  return (
    <button class="pick" type="button" aria-pressed={taken} onClick={take}>
      {text}
    </button>
  );
}
