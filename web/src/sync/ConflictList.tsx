import { Ago } from "../parts/Ago.tsx";
import { address, href, withQuery } from "../state/location.ts";
import type { Conflict } from "./conflict.ts";

/** Records that two devices disagree about, the oldest first. */
export function ConflictList({ conflicts, chosen }: { conflicts: readonly Conflict[]; chosen: string | null }) {
  return (
    <ul class="side">
      {conflicts.map((conflict) => (
        <li key={conflict.id} aria-current={conflict.id === chosen ? "true" : undefined}>
          <a href={href(withQuery(address.value, { conflict: conflict.id }))}>
            <span class="st failed" role="img" aria-label="to be chosen" />
            <b>{conflict.record_id}</b>
            <span class="ago">
              <Ago at={conflict.created_at} />
            </span>
            <small>
              {conflict.data_type} · {conflict.device ?? "a device"}
            </small>
          </a>
        </li>
      ))}
    </ul>
  );
}
