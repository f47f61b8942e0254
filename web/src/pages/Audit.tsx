import { useState } from "preact/hooks";
import { get, raw } from "../api.ts";
import { actionText, actorParts, detailText, type Entry } from "../audit/words.ts";
import { Ago } from "../parts/Ago.tsx";
import { Failure } from "../parts/Failure.tsx";
import { Icon } from "../parts/Icon.tsx";
import type { PageProps } from "../routes.ts";
import { Part, ProjectFrame } from "../settings/Frame.tsx";
import { Table } from "../settings/Table.tsx";
import { saveAnswer } from "../state/download.ts";
import { useLoad } from "../state/load.ts";
import { query, setQuery } from "../state/location.ts";
import { usePages } from "../state/pages.ts";
import { person } from "../state/session.ts";
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
  const names = useNames(project);
  const pages = usePages<Entry>(
    (cursor, signal) =>
      get("/v1/audit", { in: project, query: { ...filters, limit: 100, ...(cursor ? { cursor } : {}) }, signal }),
    [project, query.value.toString()],
  );
  return (
    <ProjectFrame project={project}>
      <Part
        title="Audit log"
        lead="Who did what, when, from where. Entries are signed and follow each other without a gap."
        acts={<Downloads project={project} filters={filters} />}
      >
        <FilterBar names={names} />
        <Table
          name="Entries"
          pages={pages}
          columns={COLUMNS}
          keyOf={(entry) => String(entry.seq)}
          row={(entry) => <Row entry={entry} names={names} />}
          empty={<p>{query.value.size > 0 ? "Nothing of that kind was done." : "Nothing was done yet."}</p>}
        />
      </Part>
    </ProjectFrame>
  );
}

/** Whom the ids of entries stand for, as far as they are members and keys of the project now. */
function useNames(project: string): ReadonlyMap<string, string> {
  const { data } = useLoad(
    async (signal) => {
      const path = { project_id: project };
      const [members, keys] = await Promise.all([
        get("/v1/projects/{project_id}/members", { path, query: { limit: 1000 }, signal }),
        get("/v1/auth/api-keys", { in: project, query: { limit: 1000 }, signal }).catch(() => null),
      ]);
      const me = person.value;
      return new Map([
        ...(me ? [[`user ${me.id}`, me.email] as const] : []),
        ...members.data.map((member) => [`user ${member.user_id}`, member.email] as const),
        ...(keys?.data ?? []).map((key) => [`key ${key.id}`, `key ${key.name || `…${key.last_four}`}`] as const),
      ]);
    },
    [project],
  );
  return data ?? new Map();
}

function FilterBar({ names }: { names: ReadonlyMap<string, string> }) {
  const asked = query.value;
  const change = (name: string) => (event: Event) =>
    setQuery({ [name]: (event.currentTarget as HTMLInputElement | HTMLSelectElement).value });
  return (
    <div class="filters">
      <select class="pick" aria-label="What was done" value={asked.get("action") ?? ""} onChange={change("action")}>
        <option value="">Everything</option>
        {ACTIONS.map((action) => (
          <option key={action} value={action}>
            {actionText(action)}
          </option>
        ))}
      </select>
      <select class="pick" aria-label="Who did it" value={asked.get("actor") ?? ""} onChange={change("actor")}>
        <option value="">Everybody</option>
        {[...names].map(([actor, name]) => (
          <option key={actor} value={actor}>
            {name}
          </option>
        ))}
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

function Row({ entry, names }: { entry: Entry; names: ReadonlyMap<string, string> }) {
  const [kind, id] = actorParts(entry.actor);
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
          <code>{entry.target}</code>
        </small>
      </td>
      <td>
        {names.get(entry.actor) ?? kind}
        <small>
          {names.has(entry.actor) || id === "" ? "" : <code>{id} </code>}
          {entry.address}
        </small>
      </td>
      <td class="wide-cell">
        {detailText(entry.detail)}
        {entry.request_id ? (
          <small>
            Request <code>{entry.request_id}</code>
          </small>
        ) : null}
      </td>
    </>
  );
}
