import { get, type Schemas } from "../api.ts";
import { bytes, count, percent } from "../numbers.ts";
import { Ago } from "../parts/Ago.tsx";
import { Failure } from "../parts/Failure.tsx";
import { Loading } from "../parts/Loading.tsx";
import { Segments } from "../parts/Segments.tsx";
import type { PageProps } from "../routes.ts";
import { Part, ProjectFrame } from "../settings/Frame.tsx";
import { useLoad } from "../state/load.ts";
import { at, href, query, setQuery } from "../state/location.ts";
import { zone } from "../state/zone.ts";
import { type Interval, limitOf, MEASURES, SHOWN, usageBars } from "../usage/history.ts";
import { UsageBars } from "../usage/UsageBars.tsx";
import "../settings/table.css";
import "../usage/usage.css";

type Answer = Schemas["UsageAnswer"];
type Quota = Schemas["Quota"];

export default function Usage({ params }: PageProps) {
  const project = params.project as string;
  const interval: Interval = query.value.get("by") === "hour" ? "hour" : "day";
  const path = { project_id: project };
  const now = useLoad((signal) => get("/v1/projects/{project_id}/usage", { path, signal }), [project]);
  const past = useLoad(
    (signal) =>
      get("/v1/projects/{project_id}/usage/history", { path, query: { interval, limit: SHOWN[interval] }, signal }),
    [project, interval],
  );
  return (
    <ProjectFrame project={project}>
      {now.error ? <Failure tried="Asking for the usage" error={now.error} retry={now.again} /> : null}
      {now.busy && !now.data ? <Loading /> : null}
      {now.data ? <Plan answer={now.data} /> : null}
      <Part
        title="Over time"
        acts={
          <Segments
            label="Interval"
            options={INTERVALS}
            value={interval}
            choose={(name) => setQuery({ by: name === "day" ? null : name })}
          />
        }
      >
        {past.error ? <Failure tried="Asking for past usage" error={past.error} retry={past.again} /> : null}
        {past.data && past.data.data.length > 0 ? (
          <div class="charts">
            {MEASURES.map((measure) => (
              <UsageBars
                key={measure.id}
                name={measure.name}
                bars={usageBars(past.data?.data ?? [], measure, interval, Date.now())}
                limit={limitOf(now.data?.quotas ?? [], measure, interval)}
                interval={interval}
                zone={zone.value}
                text={measure.id === "storage_bytes" ? bytes : count}
              />
            ))}
          </div>
        ) : null}
        {past.data?.data.length === 0 ? (
          <div class="sheet none">
            <p>Nothing was sent in this time.</p>
            <a class="btn" href={href(at("p", project, "connect"))}>
              Send something
            </a>
          </div>
        ) : null}
        {past.data && past.data.data.length > 0 ? <Rows rows={past.data.data} interval={interval} /> : null}
      </Part>
    </ProjectFrame>
  );
}

const INTERVALS = { day: "By day", hour: "By hour" } as const;

const NAMES: Record<string, string> = {
  snapshots_per_hour: "Snapshots this hour",
  storage_bytes: "Storage",
  endpoints: "Endpoints",
  events_per_month: "Events this month",
  sync_records: "Synced records",
  webhooks: "Webhooks",
};

function Plan({ answer }: { answer: Answer }) {
  const { usage, occupied } = answer;
  const quotas = answer.quotas.filter((quota) => quota.use !== null && quota.name in NAMES);
  return (
    <Part title="Usage" lead={`The plan is ${answer.plan}.`}>
      <section class="figs" aria-label="In short">
        <Figure value={count(usage.endpoints)} name="endpoints" />
        <Figure value={count(usage.snapshots)} name="versions kept" />
        <div class="wide">
          <b>
            {bytes(usage.raw_bytes)}
            <i aria-hidden="true">→</i>
            <em>{bytes(usage.stored_bytes)}</em>
          </b>
          <span>sent, and what it takes to keep every byte of it</span>
        </div>
      </section>
      <ul class="quotas">
        {quotas.map((quota) => (
          <QuotaRow key={quota.name} quota={quota} />
        ))}
      </ul>
      {occupied ? (
        <p class="quiet">
          Storage holds documents {bytes(occupied.document_bytes)}, events {bytes(occupied.event_bytes)}, deduplication
          keys {bytes(occupied.key_bytes)}, profiles {bytes(occupied.profile_bytes)}, deliveries of datasets{" "}
          {bytes(occupied.dataset_bytes)}, synced records {bytes(occupied.record_bytes)}.
        </p>
      ) : (
        <p class="quiet">What is stored is being counted.</p>
      )}
    </Part>
  );
}

function Figure({ value, name }: { value: string; name: string }) {
  return (
    <div>
      <b>{value}</b>
      <span>{name}</span>
    </div>
  );
}

function QuotaRow({ quota }: { quota: Quota }) {
  const text = quota.name === "storage_bytes" ? bytes : count;
  const use = quota.use ?? 0;
  const share = quota.limit ? Math.min(1, use / quota.limit) : 0;
  return (
    <li class={share >= 0.9 ? "full" : undefined}>
      <span>{NAMES[quota.name]}</span>
      {quota.limit === null ? null : (
        <svg class="ratio" viewBox="0 0 100 4" preserveAspectRatio="none" aria-hidden="true">
          <rect class="all" width="100" height="4" />
          <rect class="part" width={share * 100} height="4" />
        </svg>
      )}
      <b>{text(use)}</b>
      <span class="quiet">
        {quota.limit === null ? "no limit" : `of ${text(quota.limit)}, ${percent(share)}`}
        {quota.limit !== null && quota.resets_at ? (
          <>
            , anew <Ago at={quota.resets_at} />
          </>
        ) : null}
      </span>
    </li>
  );
}

function Rows({ rows, interval }: { rows: readonly Schemas["UsageRow"][]; interval: Interval }) {
  return (
    <details>
      <summary>As a table</summary>
      <div class="sheet">
        <table class="tb">
          <thead>
            <tr>
              <th scope="col">{interval === "day" ? "Day (UTC)" : "Hour (UTC)"}</th>
              <th scope="col" class="n">
                Snapshots
              </th>
              <th scope="col" class="n">
                Events
              </th>
              <th scope="col" class="n">
                Storage
              </th>
            </tr>
          </thead>
          <tbody>
            {rows.map((row) => (
              <tr key={row.start}>
                <th scope="row">{row.start.slice(0, interval === "day" ? 10 : 16).replace("T", " ")}</th>
                <td class="n" data-name="Snapshots">
                  {count(row.snapshots)}
                </td>
                <td class="n" data-name="Events">
                  {count(row.events)}
                </td>
                <td class="n" data-name={row.storage_bytes === null ? undefined : "Storage"}>
                  {row.storage_bytes === null ? "" : bytes(row.storage_bytes)}
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </details>
  );
}
