import { useRef, useState } from "preact/hooks";
import { get, remove } from "../api.ts";
import { askEvents } from "../explore/asking.ts";
import { EventList } from "../explore/EventList.tsx";
import { EventsHead } from "../explore/EventsHead.tsx";
import type { EventJson } from "../explore/rows.ts";
import { count, counted } from "../numbers.ts";
import { Ago } from "../parts/Ago.tsx";
import { Destroy } from "../parts/Destroy.tsx";
import { Failure } from "../parts/Failure.tsx";
import { Loading } from "../parts/Loading.tsx";
import { daysOf } from "../person/days.ts";
import { TraitHistory } from "../person/TraitHistory.tsx";
import { Problem } from "../problem.ts";
import type { PageProps } from "../routes.ts";
import { useLoad } from "../state/load.ts";
import { at, go, href } from "../state/location.ts";
import { usePages } from "../state/pages.ts";
import { toast } from "../state/toasts.ts";
import { zone } from "../state/zone.ts";
import { moveBetweenRows, useWayToRows } from "../versions/rows.ts";
import "../style/lists.css";
import "../explore/explore.css";
import "../person/person.css";

const PAGE = 100;

/** One person: their traits, their other ids, and what they did, day by day. */
export default function Person({ params }: PageProps) {
  const [project, id] = [params.project as string, params.person as string];
  const [erasing, setErasing] = useState(false);
  const did = useRef<HTMLElement>(null);
  useWayToRows(did);
  const found = useLoad(
    (signal) => get("/v1/users/{user}", { in: project, path: { user: id }, signal }),
    [project, id],
  );
  const user = found.data?.user;
  const erase = async () => {
    await remove("/v1/users/{user}", { in: project, path: { user: id } });
    toast("The profile is erased; the events go in the background");
    go(at("p", project, "events", "people"));
  };
  return (
    <main id="main" class="wrap app explore-page people-page person-page">
      <EventsHead project={project}>
        {user ? (
          <button class="btn danger" type="button" onClick={() => setErasing(true)}>
            Erase
          </button>
        ) : null}
      </EventsHead>
      {found.error ? <Missing project={project} error={found.error} retry={found.again} /> : null}
      {!user && !found.error ? <Loading /> : null}
      {user ? (
        <div class="split person">
          <section
            class="doc"
            aria-label="What they did"
            ref={did}
            onKeyDown={(event) => moveBetweenRows(event, did.current)}
          >
            <div class="bar">
              <h2>{id}</h2>
              <span class="quiet">{counted(user.events.count, "event")}</span>
            </div>
            <Did project={project} id={id} />
          </section>
          <section class="step" aria-label="Who they are">
            <dl class="facts">
              <dt>First seen</dt>
              <dd>
                <Ago at={user.first_seen} />
              </dd>
              <dt>Last seen</dt>
              <dd>
                <Ago at={user.last_seen} />
              </dd>
              {user.aliases.length > 0 ? (
                <>
                  <dt>Other ids</dt>
                  <dd>{user.aliases.slice(0, 20).join(", ")}</dd>
                </>
              ) : null}
            </dl>
            <Traits traits={user.traits} />
            <TraitHistory project={project} id={id} />
            <Kinds kinds={user.events.by_type} />
          </section>
        </div>
      ) : null}
      {erasing && user ? (
        <Destroy
          title="Erase this person"
          lead={`The profile and ${counted(user.events.count, "event")} go, and their share of all counts. This cannot be undone.`}
          name={id}
          label="Type the id to erase it"
          action="Erase"
          run={erase}
          close={() => setErasing(false)}
        />
      ) : null}
    </main>
  );
}

function Missing({ project, error, retry }: { project: string; error: unknown; retry: () => void }) {
  if (!(error instanceof Problem && error.status === 404))
    return <Failure tried="Loading the person" error={error} retry={retry} />;
  return (
    <div class="none">
      <p>Nobody here has this id: no identify call has told of it, or they were erased.</p>
      <a class="btn" href={href(at("p", project, "events", "people"))}>
        All people
      </a>
    </div>
  );
}

function Traits({ traits }: { traits: Record<string, unknown> }) {
  const all = Object.entries(traits);
  if (all.length === 0) return <p class="said">No traits: identify calls bring them.</p>;
  return (
    <section class="vals">
      <h3>Traits</h3>
      <dl class="traits-list">
        {all.map(([name, value]) => (
          <div key={name}>
            <dt>
              <code>{name}</code>
            </dt>
            <dd>{typeof value === "string" ? value : JSON.stringify(value)}</dd>
          </div>
        ))}
      </dl>
    </section>
  );
}

function Kinds({ kinds }: { kinds: Record<string, number> }) {
  const all = Object.entries(kinds).sort(([, a], [, b]) => b - a);
  return (
    <section class="vals">
      <h3>Events</h3>
      <dl class="traits-list">
        {all.slice(0, 50).map(([name, times]) => (
          <div key={name}>
            <dt>{name}</dt>
            <dd class="n">{count(times)}</dd>
          </div>
        ))}
      </dl>
    </section>
  );
}

function Did({ project, id }: { project: string; id: string }) {
  const where = [{ field: "userId", operation: "is" as const, values: [id] }];
  const pages = usePages<EventJson>(
    (cursor, signal) => askEvents(project, { where, zone: zone.peek() }, { limit: PAGE, cursor }, signal),
    [project, id],
  );
  if (pages.error) return <Failure tried="Loading their events" error={pages.error} retry={pages.again} />;
  if (!pages.data) return <Loading />;
  return (
    <div class="tree">
      {daysOf(pages.data, zone.value).map(({ day, events }) => (
        <section key={day} class="day" aria-label={day}>
          <h3>
            {day} <small>{counted(events.length, "event")}</small>
          </h3>
          <EventList project={project} events={events} zone={zone.value} isShort isOfOne />
        </section>
      ))}
      {pages.data.length === 0 ? <p class="said">No events of theirs are kept.</p> : null}
      {pages.more ? (
        <button class="btn more" type="button" disabled={pages.busy} onClick={pages.next}>
          Older ones
        </button>
      ) : null}
    </div>
  );
}
