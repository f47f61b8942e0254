import "../style/lists.css";
import "../changes/changes.css";
import { useEffect, useMemo, useRef } from "preact/hooks";
import { changePage } from "../changes/data.ts";
import { byDay, isFiltered, type Wanted, wantedOf } from "../changes/days.ts";
import { Filters, want } from "../changes/Filters.tsx";
import { ChangeItem } from "../changes/Item.tsx";
import type { Place } from "../compare/data.ts";
import { counted } from "../numbers.ts";
import { EndpointHead } from "../parts/EndpointHead.tsx";
import { Failure } from "../parts/Failure.tsx";
import { Loading } from "../parts/Loading.tsx";
import { NothingChanged } from "../parts/NothingChanged.tsx";
import type { PageProps } from "../routes.ts";
import { query } from "../state/location.ts";
import { zone } from "../state/zone.ts";
import { longDay } from "../time/clock.ts";
import { moveBetweenRows, useWayToRows } from "../versions/rows.ts";
import { usePages } from "../versions/usePages.ts";

/** What changed, day by day: fields, the first changes of each version, and a link to the document then. */
export default function Changes({ params }: PageProps) {
  const place = useMemo(
    () => ({ project: params.project ?? "", endpoint: params.endpoint ?? "" }),
    [params.project, params.endpoint],
  );
  const wanted = useMemo(() => wantedOf(query.value), [query.value]);
  const found = usePages(
    (cursor, signal) => changePage(place, wanted, cursor, signal),
    [place, JSON.stringify(wanted)],
  );
  const changes = found.pages.flatMap((page) => page.changes);
  const list = useRef<HTMLDivElement>(null);
  useWayToRows(list);
  return (
    <main id="main" class="wrap app changes-page">
      <EndpointHead project={place.project} endpoint={place.endpoint} section="changes" />
      <div class="doc">
        <Filters wanted={wanted} />
        {found.busy && <Loading label="Loading changes" />}
        {found.error ? <Failure tried="Loading the changes" error={found.error} retry={found.again} /> : null}
        {/* biome-ignore lint/a11y/noStaticElementInteractions: the keys move between the links in it */}
        <div class="tree feed" ref={list} onKeyDown={(event) => moveBetweenRows(event, list.current)}>
          {byDay(changes, (change) => Date.parse(change.captured_at), zone.value).map((day) => (
            <section key={day.startMs}>
              <h3>
                {longDay(day.startMs, zone.value)}
                <small>{counted(day.items.length, "version")}</small>
              </h3>
              <ul>
                {day.items.map((change) => (
                  <ChangeItem key={change.id} place={place} change={change} />
                ))}
              </ul>
            </section>
          ))}
          {!found.busy && !found.error && changes.length === 0 && <None place={place} wanted={wanted} />}
          <More more={found.more} />
        </div>
      </div>
    </main>
  );
}

/** Loads what follows when the end of the list comes near; a button for those who do not scroll. */
function More({ more }: { more: (() => void) | null }) {
  const end = useRef<HTMLParagraphElement>(null);
  useEffect(() => {
    if (!more || !end.current) return;
    const watch = new IntersectionObserver((seen) => seen.some((one) => one.isIntersecting) && more(), {
      rootMargin: "600px",
    });
    watch.observe(end.current);
    return () => watch.disconnect();
  }, [more]);
  if (!more) return null;
  return (
    <p class="more" ref={end}>
      <button type="button" class="btn" onClick={more}>
        Earlier changes
      </button>
    </p>
  );
}

function None({ place, wanted }: { place: Place; wanted: Wanted }) {
  if (isFiltered(wanted)) {
    return (
      <div class="none">
        <p>No version passes the filter.</p>
        <button type="button" class="btn" onClick={() => want({ kind: "content", field: "", min: 0, range: null })}>
          All changes
        </button>
      </div>
    );
  }
  return (
    <NothingChanged {...place} says="Nothing has changed yet: the first two versions that differ show what did." />
  );
}
