import { useMemo } from "preact/hooks";
import { counted } from "../numbers.ts";
import { Ago } from "../parts/Ago.tsx";
import { Copy } from "../parts/Copy.tsx";
import { EndpointHead } from "../parts/EndpointHead.tsx";
import { Failure } from "../parts/Failure.tsx";
import { Icon } from "../parts/Icon.tsx";
import { Loading } from "../parts/Loading.tsx";
import { Segments } from "../parts/Segments.tsx";
import { Problem } from "../problem.ts";
import type { PageProps } from "../routes.ts";
import { ChangeList } from "../schema/ChangeList.tsx";
import { SHOWN, type Shown, schemaOf, written } from "../schema/data.ts";
import { Enforce } from "../schema/Enforce.tsx";
import { Tree } from "../schema/Tree.tsx";
import { useLoad } from "../state/load.ts";
import { query, setQuery } from "../state/location.ts";
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
  const asked = query.value;
  const shown: Shown = Object.keys(SHOWN).includes(asked.get("as") ?? "") ? (asked.get("as") as Shown) : "fields";
  const sought = asked.get("q") ?? "";
  const schema = useLoad((signal) => schemaOf(place, signal), [place]);
  const isNew = schema.error instanceof Problem && schema.error.status === 404;
  return (
    <main id="main" class="wrap schema-page">
      <EndpointHead project={place.project} endpoint={place.endpoint} section="schema" />
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
        {schema.error ? (
          isNew ? (
            <p class="none">Nothing is known yet: the first version shows its schema here.</p>
          ) : (
            <Failure tried="Loading the schema" error={schema.error} retry={schema.again} />
          )
        ) : null}
        {schema.data && shown === "fields" && <Tree place={place} fields={schema.data.fields} sought={sought} />}
        {schema.data && shown !== "fields" && <Written key={shown} place={place} format={shown} />}
        {schema.data && (
          <p class="learned quiet">
            Learned from {counted(schema.data.versions, "version")} up to <Ago at={schema.data.learned_until} />
            {schema.data.is_behind && "; more are still to be learned from"}.
            {!schema.data.complete && " Only the first places are shown."}
          </p>
        )}
      </div>
      <div class="below">
        <section aria-label="Enforcement">
          <h2>Enforcement</h2>
          <Enforce place={place} accepted={schema.again} />
        </section>
        <section aria-label="What changed it">
          <h2>What changed it</h2>
          <ChangeList place={place} />
        </section>
      </div>
    </main>
  );
}

function Written({ place, format }: { place: Parameters<typeof written>[0]; format: Shown }) {
  const text = useLoad((signal) => written(place, format, signal), [place, format]);
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
