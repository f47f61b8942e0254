import { Copy } from "../parts/Copy.tsx";
import { may } from "../state/may.ts";
import type { Space } from "./space.ts";

const FIRST = `curl $DELTA/v1/sync/notes/delta -H "Authorization: Bearer $KEY" -H 'content-type: application/json' -d '{
  "device_id": "phone-1", "batch_id": "b-1", "changes": [
    {"change_id": "c-1", "record_id": "note-1", "operation": "insert", "data": {"text": "Milk"}}]}'`;

/** What to do where no device has pushed yet. */
export function NoDevice({ space }: { space: Space }) {
  return (
    <div class="none no-device">
      <p>No device yet. Apps keep records offline and sync them here: each device shows with its first push.</p>
      {space.kind === "own" && may("sync:admin") ? (
        <p>Devices of others, and those that push with a key of the project, are found with “Choose whose”.</p>
      ) : null}
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: it scrolls, so the keyboard has to reach it */}
      <pre class="code" tabIndex={0}>
        {FIRST}
      </pre>
      <Copy text={FIRST} what="lines" />
      <p class="quiet">
        A key’s devices push to the project’s own space, or to that of the person whom the header{" "}
        <code>x-sync-user</code> names. <code>GET /v1/sync/notes/delta</code> pulls.
      </p>
    </div>
  );
}
