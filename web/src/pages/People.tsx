import { useRef } from "preact/hooks";
import { get, type Schemas } from "../api.ts";
import { Brief } from "../explore/Brief.tsx";
import { EventsHead } from "../explore/EventsHead.tsx";
import { HowToSend } from "../explore/HowToSend.tsx";
import { Ago } from "../parts/Ago.tsx";
import { Failure } from "../parts/Failure.tsx";
import { Icon } from "../parts/Icon.tsx";
import { Loading } from "../parts/Loading.tsx";
import { Erasures } from "../person/Erasures.tsx";
import type { PageProps } from "../routes.ts";
import { at, href, query, setQuery } from "../state/location.ts";
import { usePages } from "../state/pages.ts";
import { moveBetweenRows, useWayToRows } from "../versions/rows.ts";
import "../style/lists.css";
import "../explore/explore.css";
import "../person/person.css";

type Profile = Schemas["Profile"];
const PAGE = 100;

/** Whom events are about: found by id or traits, those seen last first. */
export default function People({ params }: PageProps) {
  const project = params.project as string;
  const words = query.value.get("q") ?? "";
  const pages = usePages<Profile>(
    (cursor, signal) => {
      const asked = { limit: PAGE, ...(words ? { q: words } : {}), ...(cursor ? { cursor } : {}) };
      return get("/v1/users", { in: project, query: asked, signal });
    },
    [project, words],
  );
  const body = useRef<HTMLTableSectionElement>(null);
  useWayToRows(body);
  return (
    <main id="main" class="wrap app explore-page people-page">
      <EventsHead project={project} />
      <div class="fields ask-q">
        <label class="filter wide">
          <Icon name="search" />
          <input
            type="search"
            placeholder="An id, or words of traits"
            data-search
            aria-label="Find people"
            value={words}
            maxLength={200}
            onInput={(event) => setQuery({ q: event.currentTarget.value }, { replace: true })}
          />
        </label>
      </div>
      {pages.error ? <Failure tried="Listing people" error={pages.error} retry={pages.again} /> : null}
      {!pages.data && !pages.error ? <Loading /> : null}
      {pages.data && pages.data.length > 0 ? (
        <section class="doc" aria-label="People">
          <div class="tree">
            <table class="tb people">
              <thead>
                <tr>
                  <th>Who</th>
                  <th>Traits</th>
                  <th>First seen</th>
                  <th>Last seen</th>
                </tr>
              </thead>
              <tbody ref={body} onKeyDown={(event) => moveBetweenRows(event, body.current)}>
                {pages.data.map((each) => (
                  <tr key={each.id} data-row>
                    <th scope="row">
                      <a class="link" data-open href={href(at("p", project, "events", "people", each.id))}>
                        {each.id}
                      </a>
                    </th>
                    <td class="traits">
                      <Brief data={each.traits} />
                    </td>
                    <td>
                      <Ago at={each.first_seen} />
                    </td>
                    <td>
                      <Ago at={each.last_seen} />
                    </td>
                  </tr>
                ))}
              </tbody>
            </table>
          </div>
          {pages.more ? (
            <button class="btn more" type="button" disabled={pages.busy} onClick={pages.next}>
              More
            </button>
          ) : null}
        </section>
      ) : null}
      {pages.data?.length === 0 ? (
        <div class="none">
          {words === "" ? (
            <>
              <p>
                Nobody yet. A program tells who somebody is by <code>POST /v1/identify</code>, and they are listed here
                with what they did.
              </p>
              <HowToSend project={project} />
            </>
          ) : (
            <p>Nobody has that id, or traits with all of these words.</p>
          )}
        </div>
      ) : null}
      <Erasures project={project} />
    </main>
  );
}
