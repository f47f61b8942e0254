import { useMemo } from "preact/hooks";
import { EndpointHead } from "../parts/EndpointHead.tsx";
import type { PageProps } from "../routes.ts";
import { ChangeList } from "../schema/ChangeList.tsx";
import { Enforce } from "../schema/Enforce.tsx";
import { SchemaView } from "../schema/SchemaView.tsx";
import { ofEndpoint } from "../schema/subject.ts";
import { useLoad } from "../state/load.ts";
import "../style/ledger.css";
import "../style/lists.css";
import "../settings/settings.css";
import "../schema/schema.css";

/** What an endpoint's documents have in common, what changed that, and what new ones are held against. */
export default function Schema({ params }: PageProps) {
  const place = useMemo(
    () => ({ project: params.project ?? "", endpoint: params.endpoint ?? "" }),
    [params.project, params.endpoint],
  );
  const subject = useMemo(() => ofEndpoint(place), [place]);
  const schema = useLoad((signal) => subject.schema(signal), [subject]);
  return (
    <main id="main" class="wrap schema-page">
      <EndpointHead project={place.project} endpoint={place.endpoint} section="schema" />
      <SchemaView
        subject={subject}
        schema={schema}
        none="Nothing is known yet: the first version shows its schema here."
      />
      <div class="below">
        <section aria-label="Enforcement">
          <h2>Enforcement</h2>
          <Enforce place={place} accepted={schema.again} />
        </section>
        <section aria-label="What changed it">
          <h2>What changed it</h2>
          <ChangeList subject={subject} />
        </section>
      </div>
    </main>
  );
}
