import { useState } from "preact/hooks";
import { get, raw } from "../api.ts";
import { useNames } from "../audit/names.ts";
import { actionText, actorParts, detailText, type Entry, type Names, withNamed } from "../audit/words.ts";
import { Ago } from "../parts/Ago.tsx";
import { Failure } from "../parts/Failure.tsx";
import { Icon } from "../parts/Icon.tsx";
import type { PageProps } from "../routes.ts";
import { Part, ProjectFrame } from "../settings/Frame.tsx";
import { Table } from "../settings/Table.tsx";
import { saveAnswer } from "../state/download.ts";
import { address, href, query, setQuery, withQuery } from "../state/location.ts";
import { usePages } from "../state/pages.ts";
import { zone } from "../state/zone.ts";
import { moment } from "../time/clock.ts";
import { ACTIONS } from "../types.gen.ts";

const COLUMNS = [{ title: "When" }, { title: "What" }, { title: "To" }, { title: "Who" }, { title: "More" }];

/** The filters as they stand in the address. */
interface Filters {
  action?: (typeof ACTIONS)[number];
  actor?: string;
  from?: string;
  to?: string;
}

function filtersOf(asked: URLSearchParams): Filters {
  const action = ACTIONS.find((each) => each === asked.get("action"));
  const [actor, from, to] = ["actor", "from", "to"].map((name) => asked.get(name) ?? "");
  return {
    ...(action ? { action } : {}),
    ...(actor ? { actor } : {}),
    ...(from ? { from } : {}),
    ...(to ? { to: `${to}T23:59:59.999Z` } : {}),
  };
}

export default function Audit({ params }: PageProps) {
  const project = params.project as string;
  const filters = filtersOf(query.value);
  const known = useNames(project);
  const pages = usePages<Entry>(
    (cursor, signal) =>
      get("/v1/audit", { in: project, query: { ...filters, limit: 100, ...(cursor ? { cursor } : {}) }, signal }),
    [project, query.value.toString()],
  );
  const names = withNamed(known.all, pages.data ?? []);
  return (
    <ProjectFrame project={project}>
      <Part
        title="Audit log"
        lead="Who did what, when, from where. Entries are signed and follow each other without a gap."
        acts={<Downloads project={project} filters={filters} />}
      >
        <FilterBar choices={known.own} names={names} />
        <Table
          name="Entries"
          pages={pages}
          columns={COLUMNS}
          keyOf={(entry) => String(entry.seq)}
          row={(entry) => <Row entry={entry} names={names} />}
          empty={<None />}
        />
      </Part>
    </ProjectFrame>
  );
}

function None() {
  if (query.value.size === 0) return <p>Nothing was done yet.</p>;
  return (
    <>
      <p>Nothing of that kind was done.</p>
      <button class="btn" type="button" onClick={() => setQuery({ action: null, actor: null, from: null, to: null })}>
        Show everything
      </button>
    </>
  );
}

function FilterBar({ choices, names }: { choices: Names; names: Names }) {
  const asked = query.value;
  const actor = asked.get("actor") ?? "";
  const change = (name: string) => (event: Event) =>
    setQuery({ [name]: (event.currentTarget as HTMLInputElement | HTMLSelectElement).value });
  return (
    <div class="filters" data-filters>
      <select class="pick" aria-label="What was done" value={asked.get("action") ?? ""} onChange={change("action")}>
        <option value="">Everything</option>
        {ACTIONS.map((action) => (
          <option key={action} value={action}>
            {actionText(action)}
          </option>
        ))}
      </select>
      <select class="pick" aria-label="Who did it" value={actor} onChange={change("actor")}>
        <option value="">Everybody</option>
        {[...choices].map(([each, name]) => (
          <option key={each} value={each}>
            {name}
          </option>
        ))}
        {actor !== "" && !choices.has(actor) ? <option value={actor}>{names.get(actor) ?? actor}</option> : null}
      </select>
      <label class="pick">
        from
        <input type="date" value={asked.get("from") ?? ""} onChange={change("from")} />
      </label>
      <label class="pick">
        to
        <input type="date" value={asked.get("to") ?? ""} onChange={change("to")} />
      </label>
      <span class="quiet">Days of UTC</span>
    </div>
  );
}

function Downloads({ project, filters }: { project: string; filters: Filters }) {
  const [error, setError] = useState<unknown>(null);
  const download = async (format: "csv" | "ndjson") => {
    setError(null);
    try {
      await saveAnswer(await raw("/v1/audit", { in: project, query: { ...filters, format } }), `audit.${format}`);
    } catch (caught) {
      setError(caught);
    }
  };
  return (
    <>
      {(["csv", "ndjson"] as const).map((format) => (
        <button key={format} class="btn" type="button" onClick={() => void download(format)}>
          <Icon name="download" />
          {format === "csv" ? "CSV" : "NDJSON"}
        </button>
      ))}
      {error ? <Failure tried="Downloading" error={error} /> : null}
    </>
  );
}

function Row({ entry, names }: { entry: Entry; names: Names }) {
  const [kind, id] = actorParts(entry.actor);
  const name = names.get(entry.actor);
  return (
    <>
      <td>
        <Ago at={entry.at} />
      </td>
      <th scope="row">
        {actionText(entry.action)}
        {entry.outcome === "ok" ? null : <span class="wrong"> {entry.outcome}</span>}
        {entry.repeats > 1 ? <small>{entry.repeats} times</small> : null}
      </th>
      <td>
        {entry.name}
        <small>
          <code>{entry.target.replace(/^[a-z_]+(?= )/, (kind) => kind.replaceAll("_", " "))}</code>
        </small>
      </td>
      <td>
        <a href={href(withQuery(address.value, { actor: entry.actor }))} title={`All that ${entry.actor} did`}>
          {name ?? kind}
        </a>
        <small>
          {name || id === "" ? "" : <code>{id} </code>}
          {entry.address}
        </small>
      </td>
      <td class="wide-cell">
        {detailText(entry.detail, (ms) => moment(ms, zone.value))}
        {entry.request_id ? (
          <small>
            Request <code>{entry.request_id}</code>
          </small>
        ) : null}
      </td>
    </>
  );
}
