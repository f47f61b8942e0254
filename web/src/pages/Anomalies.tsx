import { listed } from "../anomalies/data.ts";
import { type Anomaly, filtersOf, KINDS, placeOf, SERIES } from "../anomalies/places.ts";
import { ConnectHead } from "../connect/Head.tsx";
import { count } from "../numbers.ts";
import { Ago } from "../parts/Ago.tsx";
import type { PageProps } from "../routes.ts";
import { Part } from "../settings/Frame.tsx";
import { Table } from "../settings/Table.tsx";
import { address, at, href, query, setQuery, withQuery } from "../state/location.ts";
import { usePages } from "../state/pages.ts";
import { roughly } from "../time/clock.ts";
import "../settings/settings.css";
import "../anomalies/anomalies.css";

const COLUMNS = [{ title: "When" }, { title: "What" }, { title: "Where" }, { title: "Lasted" }];
const SHARE = 100;

/** What was unusual, though nobody asked to look for it: each in a sentence, with what contributed most. */
export default function Anomalies({ params }: PageProps) {
  const project = params.project as string;
  const asked = query.value;
  const filters = filtersOf(asked);
  const pages = usePages<Anomaly>(
    (cursor, signal) => listed(project, filters, cursor, signal),
    [project, ...Object.entries(filters).flat()],
  );
  return (
    <main id="main" class="wrap settings anomalies-page">
      <ConnectHead project={project} />
      <Part
        title="Anomalies"
        lead="Found hour by hour, without being asked for: numbers far from what is usual, silence, and values that were never there."
      >
        <FilterBar />
        <Table
          name="Anomalies"
          pages={pages}
          columns={COLUMNS}
          keyOf={(anomaly) => anomaly.id}
          row={(anomaly) => <Row project={project} anomaly={anomaly} />}
          empty={<None />}
        />
      </Part>
    </main>
  );
}

function FilterBar() {
  const asked = query.value;
  const change = (name: string) => (event: Event) =>
    setQuery({ [name]: (event.currentTarget as HTMLSelectElement).value || null });
  return (
    <div class="filters" data-filters>
      <Pick label="Kind" any="All kinds" options={KINDS} value={asked.get("kind")} change={change("kind")} />
      <Pick label="Series" any="All series" options={SERIES} value={asked.get("series")} change={change("series")} />
      <label class="pick">
        <input
          type="checkbox"
          checked={asked.get("state") === "open"}
          onChange={(event) => setQuery({ state: event.currentTarget.checked ? "open" : null })}
        />
        only those that last
      </label>
      {asked.get("endpoint") ? (
        <button class="btn ghost" type="button" onClick={() => setQuery({ endpoint: null })}>
          {asked.get("endpoint")} <span aria-hidden="true">×</span>
          <span class="sr">: show all endpoints</span>
        </button>
      ) : null}
    </div>
  );
}

interface PickProps {
  label: string;
  any: string;
  options: Readonly<Record<string, string>>;
  value: string | null;
  change: (event: Event) => void;
}

function Pick({ label, any, options, value, change }: PickProps) {
  return (
    <select class="pick" aria-label={label} value={value ?? ""} onChange={change}>
      <option value="">{any}</option>
      {Object.entries(options).map(([name, said]) => (
        <option key={name} value={name}>
          {said}
        </option>
      ))}
    </select>
  );
}

function Row({ project, anomaly }: { project: string; anomaly: Anomaly }) {
  const place = placeOf(anomaly);
  const to = place && `${at("p", project, ...place.steps)}?${new URLSearchParams(place.query ?? {})}`;
  const isOpen = anomaly.state === "open";
  return (
    <>
      <td>
        {to === null ? (
          <Ago at={anomaly.began_at} />
        ) : (
          <a href={href(to)}>
            <Ago at={anomaly.began_at} />
          </a>
        )}
      </td>
      <th scope="row">
        <span class={`st ${anomaly.state}`} aria-hidden="true" />
        {anomaly.text}
        {anomaly.breakdown.length > 0 ? <Parts anomaly={anomaly} /> : null}
      </th>
      <td>
        {anomaly.endpoint === null ? (
          anomaly.series === "events" ? (
            "Events"
          ) : (
            ""
          )
        ) : (
          <a href={href(withQuery(address.value, { endpoint: anomaly.endpoint }))}>{anomaly.endpoint}</a>
        )}
        <small>{KINDS[anomaly.kind]}</small>
      </td>
      <td data-name={isOpen || anomaly.kind !== "new_value" ? "Lasted" : undefined}>
        {isOpen ? "still" : lasted(anomaly)}
      </td>
    </>
  );
}

function Parts({ anomaly }: { anomaly: Anomaly }) {
  const said = anomaly.breakdown.map(
    ({ name, value, usual, share }) =>
      `${name || "all"} ${number(value)}, usually ${number(usual)} (${Math.round(share * SHARE)} %)`,
  );
  return <p class="parts">{said.join("; ")}</p>;
}

function number(value: number): string {
  return Number.isInteger(value) ? count(value) : value.toPrecision(3);
}

function lasted({ began_at, ended_at, kind }: Anomaly): string {
  if (ended_at === null || kind === "new_value") return "";
  return roughly(Date.parse(ended_at) - Date.parse(began_at));
}

function None() {
  if (query.value.size === 0) {
    return <p>Nothing unusual yet. It takes a week of hours to know what is usual.</p>;
  }
  return (
    <>
      <p>Nothing of that kind was unusual.</p>
      <button
        class="btn"
        type="button"
        onClick={() => setQuery({ kind: null, series: null, state: null, endpoint: null })}
      >
        Show everything
      </button>
    </>
  );
}
