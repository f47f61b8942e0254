import { useRef } from "preact/hooks";
import { Ago } from "../parts/Ago.tsx";
import { address, href, withQuery } from "../state/location.ts";
import type { Pages } from "../state/pages.ts";
import { moveBetweenRows, useWayToRows } from "../versions/rows.ts";
import type { Conflict } from "./conflict.ts";

/** Records that two devices disagree about, the oldest first. */
export function ConflictList({ pages, chosen }: { pages: Pages<Conflict>; chosen: string | null }) {
  const body = useRef<HTMLUListElement>(null);
  useWayToRows(body);
  return (
    <div class="conflict-list">
      <ul class="side" ref={body} aria-label="Conflicts" onKeyDown={(event) => moveBetweenRows(event, body.current)}>
        {pages.data?.map((conflict) => (
          <li key={conflict.id} data-row aria-current={conflict.id === chosen ? "true" : undefined}>
            <a data-open href={href(withQuery(address.value, { conflict: conflict.id }))}>
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
      {pages.more ? (
        <button class="btn ghost more" type="button" onClick={pages.next} aria-disabled={pages.busy}>
          Show more
        </button>
      ) : null}
    </div>
  );
}
