import { useMemo } from "preact/hooks";
import { EventsHead } from "../explore/EventsHead.tsx";
import { conditionText } from "../explore/question.ts";
import type { PageProps } from "../routes.ts";
import { ChangeList } from "../schema/ChangeList.tsx";
import { SchemaView } from "../schema/SchemaView.tsx";
import { ofEventType, type Subject } from "../schema/subject.ts";
import { useLoad } from "../state/load.ts";
import { at, href } from "../state/location.ts";
import "../style/ledger.css";
import "../style/lists.css";
import "../explore/explore.css";
import "../schema/schema.css";

/** What the events of a type have in common, and what changed that. */
export default function EventType({ params }: PageProps) {
  const project = params.project as string;
  const type = params.type as string;
  const subject = useMemo(() => ofEventType(project, type), [project, type]);
  const f = conditionText({ field: "eventType", operation: "is", values: [type] });
  return (
    <main id="main" class="wrap app explore-page schema-page type-page">
      <EventsHead project={project} />
      <div class="type-head">
        <h2>{type}</h2>
        <a class="btn" href={href(`${at("p", project, "events")}?${new URLSearchParams({ f })}`)}>
          Its events
        </a>
      </div>
      <Known key={`${project} ${type}`} subject={subject} />
    </main>
  );
}

function Known({ subject }: { subject: Subject }) {
  const schema = useLoad((signal) => subject.schema(signal), [subject]);
  return (
    <>
      <SchemaView
        subject={subject}
        schema={schema}
        none="Nothing is known of this type yet: its schema shows here some seconds after the first event."
      />
      {schema.data && (
        <section class="type-changes" aria-label="What changed it">
          <h2>What changed it</h2>
          <ChangeList subject={subject} />
        </section>
      )}
    </>
  );
}
