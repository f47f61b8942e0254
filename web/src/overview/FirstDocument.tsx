import { KeyMaker, Lines, useKey } from "../connect/Lines.tsx";
import { Waiting } from "../connect/Waiting.tsx";
import { at, href } from "../state/location.ts";
import { may } from "../state/may.ts";
import "../connect/connect.css";

/** A project without endpoints: a key, a line to send with it, and a dot that becomes the first row. */
export default function FirstDocument({ project }: { project: string }) {
  const made = useKey(project);
  return (
    <div class="connect first">
      <div class="head">
        <h1>Nothing has come yet</h1>
      </div>
      {may("endpoints:write") ? (
        <p class="track-first">
          Something that has an address, any API, feed or file, is asked for by Delta itself.{" "}
          <a class="btn primary" href={href(at("p", project, "track"))}>
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
