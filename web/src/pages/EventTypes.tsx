import { useRef } from "preact/hooks";
import { get, type Schemas } from "../api.ts";
import { EventsHead } from "../explore/EventsHead.tsx";
import { HowToSend } from "../explore/HowToSend.tsx";
import { fold } from "../folding.ts";
import { count } from "../numbers.ts";
import { Ago } from "../parts/Ago.tsx";
import { Failure } from "../parts/Failure.tsx";
import { Icon } from "../parts/Icon.tsx";
import { Loading } from "../parts/Loading.tsx";
import type { PageProps } from "../routes.ts";
import { useLoad } from "../state/load.ts";
import { at, href, query, setQuery } from "../state/location.ts";
import { moveBetweenRows, useWayToRows } from "../versions/rows.ts";
import "../style/lists.css";
import "../explore/explore.css";
import "../schema/schema.css";

type EventType = Schemas["EventType"];
/** More are not known of a project. */
const MOST = 1000;

/** Which types of events there are, each with its schema behind it. */
export default function EventTypes({ params }: PageProps) {
  const project = params.project as string;
  const sought = query.value.get("q") ?? "";
  const types = useLoad((signal) => get("/v1/event-types", { in: project, query: { limit: MOST }, signal }), [project]);
  const all = types.data?.data ?? [];
  const found = sought ? all.filter(({ event_type }) => fold(event_type).includes(fold(sought))) : all;
  return (
    <main id="main" class="wrap app explore-page types-page">
      <EventsHead project={project} />
      {all.length > 0 && (
        <div class="fields ask-q">
          <label class="filter wide">
            <Icon name="search" />
            <input
              type="search"
              placeholder="Find types"
              data-search
              aria-label="Find types"
              value={sought}
              maxLength={200}
              onInput={(event) => setQuery({ q: event.currentTarget.value }, { replace: true })}
            />
          </label>
        </div>
      )}
      {types.error ? <Failure tried="Listing event types" error={types.error} retry={types.again} /> : null}
      {!types.data && !types.error ? <Loading /> : null}
      {found.length > 0 && <Table project={project} types={found} />}
      {all.length > 0 && found.length === 0 && <p class="none">No type holds “{sought}”.</p>}
      {types.data && all.length === 0 && (
        <div class="none">
          <p>
            No types yet. The schema of each is learned from its events, and shows here some seconds after the first.
          </p>
          <HowToSend project={project} />
        </div>
      )}
    </main>
  );
}

function Table({ project, types }: { project: string; types: readonly EventType[] }) {
  const body = useRef<HTMLTableSectionElement>(null);
  useWayToRows(body);
  return (
    <section class="doc" aria-label="Event types">
      <div class="tree">
        <table class="tb event-types">
          <thead>
            <tr>
              <th scope="col">Type</th>
              <th scope="col" class="num">
                Events looked at
              </th>
              <th scope="col">Last learned from</th>
              <th scope="col">Schema changed</th>
            </tr>
          </thead>
          <tbody ref={body} onKeyDown={(event) => moveBetweenRows(event, body.current)}>
            {types.map((each) => (
              <tr key={each.event_type} data-row>
                <th scope="row" title={each.event_type}>
                  <a class="link" data-open href={href(at("p", project, "events", "types", each.event_type))}>
                    {each.event_type}
                  </a>
                </th>
                <td class="num">{count(each.events)}</td>
                <td>
                  <Ago at={each.learned_until} />
                </td>
                <td>{each.changes > 1 ? <Ago at={each.changed_at} /> : <span class="quiet">never</span>}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </section>
  );
}
