import { ConnectHead } from "../connect/Head.tsx";
import { KeyMaker, Lines, useKey } from "../connect/Lines.tsx";
import type { Language } from "../connect/lines.ts";
import { LANGUAGES } from "../connect/lines.ts";
import { Waiting } from "../connect/Waiting.tsx";
import { WebsiteLine } from "../connect/Website.tsx";
import type { PageProps } from "../routes.ts";
import { at, href } from "../state/location.ts";
import { may } from "../state/may.ts";
import "../settings/settings.css";
import "../connect/connect.css";

const ALL = Object.keys(LANGUAGES) as Language[];

/** How programs send what they have, and whether it has come. */
export default function Connect({ params }: PageProps) {
  const project = params.project as string;
  const made = useKey(project);
  return (
    <main id="main" class="wrap settings connect">
      <ConnectHead project={project}>
        {may("endpoints:write") ? (
          <a class="btn primary" href={href(at("p", project, "track"))}>
            Track an address
          </a>
        ) : null}
      </ConnectHead>
      <ol class="steps-list">
        <li>
          <h2>A key</h2>
          <p class="quiet">It says who sends. Others are made and revoked in the settings.</p>
          <KeyMaker made={made} />
        </li>
        <li>
          <h2>Send something</h2>
          <p class="quiet">
            A snapshot is a JSON document as it is now. An endpoint that is not there yet is made by the first one.
          </p>
          <Lines project={project} made={made} languages={ALL} />
          <p class="quiet">
            A service that sends webhooks, such as GitHub or Stripe, gets{" "}
            <a href={href(at("p", project, "connect", "inbound"))}>an address of its own</a>.
          </p>
          <WebsiteLine project={project} />
        </li>
        <li>
          <h2>See it come</h2>
          <Waiting project={project} />
        </li>
      </ol>
    </main>
  );
}
