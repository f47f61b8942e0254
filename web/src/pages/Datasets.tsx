import { useMemo } from "preact/hooks";
import { ConnectHead } from "../connect/Head.tsx";
import { ClientView } from "../datasets/ClientView.tsx";
import { type Client, clientPage, type Dataset, datasetPage } from "../datasets/data.ts";
import { counted } from "../numbers.ts";
import { Ago } from "../parts/Ago.tsx";
import { Failure } from "../parts/Failure.tsx";
import { Loading } from "../parts/Loading.tsx";
import type { PageProps } from "../routes.ts";
import { at, href, query } from "../state/location.ts";
import { usePages } from "../state/pages.ts";
import "../style/lists.css";
import "../datasets/datasets.css";

/** What clients deliver again and again, and what each delivery changes. */
export default function Datasets({ params }: PageProps) {
  const project = params.project as string;
  const asked = query.value;
  const datasets = usePages<Dataset>((cursor, signal) => datasetPage(project, cursor, signal), [project]);
  const chosen = asked.get("of") ?? datasets.data?.[0]?.name;
  return (
    <main id="main" class="wrap datasets-page">
      <ConnectHead project={project} />
      {datasets.error ? (
        <Failure tried="Loading the datasets" error={datasets.error} retry={datasets.again} />
      ) : !datasets.data ? (
        <Loading />
      ) : datasets.data.length === 0 ? (
        <None project={project} />
      ) : (
        <div class="two-sides">
          <nav aria-label="Datasets">
            <ul>
              {datasets.data.map(({ name, clients }) => (
                <li key={name}>
                  <a href={href(to(project, name))} aria-current={name === chosen ? "true" : undefined}>
                    <bdi>{name}</bdi> <small class="quiet">{counted(clients, "client")}</small>
                  </a>
                </li>
              ))}
            </ul>
            {datasets.more && (
              <button type="button" class="btn" disabled={datasets.busy} onClick={datasets.next}>
                More datasets
              </button>
            )}
          </nav>
          {chosen !== undefined && <OfDataset key={chosen} project={project} dataset={chosen} />}
        </div>
      )}
    </main>
  );
}

function to(project: string, dataset: string, client?: string): string {
  return `${at("p", project, "datasets")}?${new URLSearchParams({ of: dataset, ...(client === undefined ? {} : { client }) })}`;
}

function OfDataset({ project, dataset }: { project: string; dataset: string }) {
  const clients = usePages<Client>(
    (cursor, signal) => clientPage(project, dataset, cursor, signal),
    [project, dataset],
  );
  const client = query.value.get("client") ?? clients.data?.[0]?.client;
  const of = useMemo(() => ({ project, dataset, client: client ?? "" }), [project, dataset, client]);
  if (clients.error) return <Failure tried="Loading the clients" error={clients.error} retry={clients.again} />;
  if (!clients.data) return <Loading label="Loading the clients" />;
  return (
    <div class="of-dataset">
      <h2>
        <bdi>{dataset}</bdi>
      </h2>
      {clients.data.length === 0 && <p class="quiet">No client has delivered to it.</p>}
      <ul class="clients" aria-label="Clients">
        {clients.data.map((one) => (
          <li key={one.client}>
            <a href={href(to(project, dataset, one.client))} aria-current={one.client === client ? "true" : undefined}>
              <bdi>{one.client}</bdi>{" "}
              <small class="quiet">{one.current ? <Ago at={one.current.received_at} /> : "nothing new"}</small>
            </a>
          </li>
        ))}
      </ul>
      {clients.more && (
        <button type="button" class="btn" disabled={clients.busy} onClick={clients.next}>
          More clients
        </button>
      )}
      {client !== undefined && <ClientView key={client} of={of} />}
    </div>
  );
}

function None({ project }: { project: string }) {
  return (
    <div class="none">
      <p>Nothing was delivered yet. The first delivery makes the dataset:</p>
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: it scrolls, so the keyboard has to reach it */}
      <pre tabIndex={0}>
        {`curl -T monday.ndjson -H "authorization: Bearer $KEY" -H "content-type: application/x-ndjson" \\
  ${new URL("v1/datasets/products/shop-17/current", document.baseURI).href}`}
      </pre>
      <p class="quiet">
        <a href={href(at("p", project, "settings", "keys"))}>A key</a> needs the scope datasets:write.
      </p>
    </div>
  );
}
