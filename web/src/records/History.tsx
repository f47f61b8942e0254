import { bytes, counted } from "../numbers.ts";
import { Ago } from "../parts/Ago.tsx";
import { Failure } from "../parts/Failure.tsx";
import { Loading } from "../parts/Loading.tsx";
import { address, href, withQuery } from "../state/location.ts";
import { may } from "../state/may.ts";
import type { Pages } from "../state/pages.ts";
import type { Version } from "./data.ts";
import { type Content, contentOf } from "./words.ts";

interface HistoryProps {
  pages: Pages<Version>;
  /** The version that is shown. */
  open: number | null;
  /** That it is compared with. */
  from: number | null;
  restore: (version: Version) => void;
}

const SHAPES: Record<Content, string> = { json: "ok", encrypted: "late", deleted: "muted" };

/** The versions that are kept, the newest first, to be opened, compared with what is open, and restored. */
export function History({ pages, open, from, restore }: HistoryProps) {
  const { data = [], more, next, busy, error, again } = pages;
  const canRestore = may("sync:write");
  const shown = data.find(({ version }) => version === open);
  return (
    <section class="step history-list" aria-label="History">
      <div class="bar">
        <h2>{counted(data.length, "version")}</h2>
        {more ? <span class="quiet">and more</span> : <span class="quiet">all that are kept</span>}
      </div>
      {busy ? <Loading label="Loading the history" /> : null}
      {error ? <Failure tried="Listing the history" error={error} retry={again} /> : null}
      <ol>
        {data.map((version, at) => {
          const content = contentOf(version);
          const isOpen = version.version === open;
          const canCompare =
            !isOpen && content === "json" && shown !== undefined && contentOf(shown) === "json" && open !== null;
          return (
            <li key={version.version} aria-current={isOpen ? "true" : undefined}>
              <a
                href={href(
                  withQuery(address.value, { version: at === 0 ? null : String(version.version), from: null }),
                )}
              >
                <span class={`st ${SHAPES[content]}`} role="img" aria-label={content} />
                <b>Version {version.version}</b>
                <span class="ago">{version.changed_at ? <Ago at={version.changed_at} /> : "long ago"}</span>
                <small>
                  {content === "deleted" ? "deleted" : version.bytes === undefined ? "" : bytes(version.bytes)}
                  {content === "encrypted" ? ", encrypted" : ""}
                  {version.device_id ? ` · ${version.device_id}` : content === "deleted" ? "" : " · changed here"}
                </small>
              </a>
              <div class="device-acts">
                {canCompare ? (
                  <a
                    class="btn ghost"
                    href={href(withQuery(address.value, compared(version.version, open, data[0]?.version)))}
                    aria-current={version.version === from ? "true" : undefined}
                    aria-label={`Compare version ${version.version} with version ${open}`}
                  >
                    Compare
                  </a>
                ) : null}
                {canRestore && at > 0 && content !== "deleted" ? (
                  <button
                    class="btn ghost"
                    type="button"
                    aria-label={`Restore version ${version.version}`}
                    onClick={() => restore(version)}
                  >
                    Restore
                  </button>
                ) : null}
              </div>
            </li>
          );
        })}
      </ol>
      {more && !error ? (
        <button class="btn ghost more" type="button" onClick={next} aria-disabled={busy}>
          Show more
        </button>
      ) : null}
    </section>
  );
}

/** The older one at A, the newer at B. */
function compared(one: number, other: number, newest: number | undefined): Record<string, string | null> {
  const to = Math.max(one, other);
  return { from: String(Math.min(one, other)), version: to === newest ? null : String(to), row: null };
}
