import { counted } from "../numbers.ts";
import { Ago } from "../parts/Ago.tsx";
import { Copy } from "../parts/Copy.tsx";
import { Failure } from "../parts/Failure.tsx";
import { Icon } from "../parts/Icon.tsx";
import { Loading } from "../parts/Loading.tsx";
import { Segments } from "../parts/Segments.tsx";
import { Problem } from "../problem.ts";
import { type Loaded, useLoad } from "../state/load.ts";
import { query, setQuery } from "../state/location.ts";
import { type Schema, SHOWN, type Shown, type Subject } from "./subject.ts";
import { Tree } from "./Tree.tsx";

interface ViewProps {
  subject: Subject;
  schema: Loaded<Schema>;
  /** What is said where nothing is known yet. */
  none: string;
}

/** A schema as a tree, or to be copied; the address has which. */
export function SchemaView({ subject, schema, none }: ViewProps) {
  const asked = query.value;
  const shown: Shown = Object.keys(SHOWN).includes(asked.get("as") ?? "") ? (asked.get("as") as Shown) : "fields";
  const sought = asked.get("q") ?? "";
  const isNew = schema.error instanceof Problem && schema.error.status === 404;
  return (
    <div class="doc">
      <div class="bar">
        <Segments
          label="Show as"
          options={SHOWN}
          value={shown}
          choose={(name) => setQuery({ as: name === "fields" ? null : name })}
        />
        {shown === "fields" && (
          <label class="filter">
            <Icon name="search" />
            <span class="sr">Find places</span>
            <input
              type="search"
              placeholder="Find places"
              value={sought}
              data-search
              onInput={(event) => setQuery({ q: event.currentTarget.value }, { replace: true })}
            />
          </label>
        )}
        <span class="grow" />
        {schema.busy && <Loading label="Loading the schema" />}
      </div>
      {schema.error && isNew ? <p class="none">{none}</p> : null}
      {schema.error && !isNew ? <Failure tried="Loading the schema" error={schema.error} retry={schema.again} /> : null}
      {schema.data && shown === "fields" && <Tree subject={subject} fields={schema.data.fields} sought={sought} />}
      {schema.data && shown !== "fields" && <Written key={shown} subject={subject} format={shown} />}
      {schema.data && (
        <p class="learned quiet">
          Learned from {counted(schema.data.count, subject.one)}
          {subject.one === "event" && ", a sample of all,"} up to <Ago at={schema.data.learned_until} />
          {schema.data.is_behind && "; more are still to be learned from"}.
          {!schema.data.complete && " Only the first places are shown."}
        </p>
      )}
    </div>
  );
}

function Written({ subject, format }: { subject: Subject; format: Shown }) {
  const text = useLoad((signal) => subject.written(format, signal), [subject, format]);
  if (text.error) return <Failure tried="Loading the schema" error={text.error} retry={text.again} />;
  if (text.data === undefined) return <Loading />;
  return (
    <div class="written">
      <Copy text={text.data} what={SHOWN[format]} />
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls is reached by keys */}
      <pre tabIndex={0}>{text.data}</pre>
    </div>
  );
}
