import { get } from "../api.ts";
import { KeyMaker, Lines, useKey } from "../connect/Lines.tsx";
import { Waiting } from "../connect/Waiting.tsx";
import { Loading } from "../parts/Loading.tsx";
import { useLoad } from "../state/load.ts";
import { at, href } from "../state/location.ts";
import { may } from "../state/may.ts";
import "../connect/connect.css";

/** A project without endpoints: a key, a line to send with it, and a dot that becomes the first row. */
export default function FirstDocument({ project }: { project: string }) {
  const made = useKey(project);
  const events = useLoad((signal) => hasEvents(project, signal), [project]);
  if (events.data === undefined && !events.error) return <Loading />;
  return (
    <div class="connect first">
      <div class="head">
        <h1>{events.data ? "No documents yet" : "Nothing has come yet"}</h1>
      </div>
      {events.data ? (
        <p class="track-first">
          Events have come.{" "}
          <a class="btn primary" href={href(at("p", project, "events"))}>
            Look at events
          </a>
        </p>
      ) : null}
      {may("endpoints:write") ? (
        <p class="track-first">
          Something that has an address, any API, feed or file, is asked for by Delta itself.{" "}
          <a class={events.data ? "btn" : "btn primary"} href={href(at("p", project, "track"))}>
            Track something
          </a>
        </p>
      ) : null}
      <p class="quiet">Or a program sends what it has:</p>
      <ol class="steps-list">
        <li>
          <h2>Make a key</h2>
          <KeyMaker made={made} />
        </li>
        <li>
          <h2>Send a JSON document</h2>
          <Lines project={project} made={made} languages={["curl"]} />
          <p class="quiet">
            <a href={href(at("p", project, "connect"))}>Python, JavaScript and the command line</a>
          </p>
        </li>
        <li>
          <h2>See it come</h2>
          <Waiting project={project} />
        </li>
      </ol>
    </div>
  );
}

async function hasEvents(project: string, signal: AbortSignal): Promise<boolean> {
  if (!may("events:read")) return false;
  const newest = await get("/v1/events/raw", { in: project, query: { limit: 1 }, signal });
  return newest.data.length > 0;
}
