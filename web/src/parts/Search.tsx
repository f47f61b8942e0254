import { useEffect, useRef, useState } from "preact/hooks";
import { lastPart } from "../addresses.ts";
import { get } from "../api.ts";
import { searching } from "../state/keys.ts";
import { useLoad } from "../state/load.ts";
import { at, go, href, query } from "../state/location.ts";
import { usePaused } from "../state/paused.ts";
import { matched } from "../state/project.ts";
import { Dialog } from "./Dialog.tsx";
import { Failure } from "./Failure.tsx";
import { Icon } from "./Icon.tsx";

interface Hit {
  kind: "endpoint" | "record" | "field";
  name: string;
  more: string;
  to: string;
}

const MOST = 8;

/** `/`: endpoints by the beginning of their name; of the endpoint that is open its records by any part of their key or
 * label, as they are at the moment that is looked at, and its fields by any part of their path. */
export function Search({ project }: { project: string }) {
  const [typed, setTyped] = useState("");
  const [chosen, setChosen] = useState(0);
  const asked = usePaused(typed.trim());
  const endpoint = matched.value?.params.endpoint;
  const at = query.value.get("at");
  const opened = useLoad((signal) => versionOf(project, endpoint, at, signal), [project, endpoint, at]);
  const version = opened.data ?? null;
  const found = useLoad(
    (signal) => search({ project, endpoint, version, at }, asked, signal),
    [project, endpoint, version, at, asked],
  );
  const hits = found.data ?? [];
  const place = Math.min(chosen, hits.length - 1);
  const close = () => {
    searching.value = false;
  };
  const open = (hit: Hit | undefined) => {
    if (!hit) return;
    close();
    go(hit.to);
  };
  const press = (event: KeyboardEvent) => {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step !== undefined) setChosen((place + step + hits.length) % Math.max(1, hits.length));
    else if (event.key === "Enter") open(hits[place]);
    else return;
    event.preventDefault();
  };
  const input = useRef<HTMLInputElement>(null);
  useEffect(() => input.current?.focus(), []);
  return (
    <Dialog title="Search" close={close}>
      <label class="filter wide">
        <Icon name="search" />
        <span class="sr">Search</span>
        <input
          ref={input}
          role="combobox"
          aria-expanded="true"
          aria-controls="hits"
          aria-activedescendant={hits.length > 0 ? `hit-${place}` : undefined}
          placeholder={endpoint === undefined ? "An endpoint" : `An endpoint, or a record or field of ${endpoint}`}
          onInput={(event) => setTyped(event.currentTarget.value)}
          onKeyDown={press}
        />
      </label>
      {found.error ? <Failure tried="Searching" error={found.error} retry={found.again} /> : null}
      <div id="hits" class="hits" role="listbox" aria-label="Found">
        {hits.map((hit, number) => (
          <a
            key={hit.to}
            id={`hit-${number}`}
            role="option"
            tabIndex={-1}
            aria-selected={number === place}
            href={href(hit.to)}
            onClick={close}
          >
            <b>{hit.name}</b>
            <small>{hit.more}</small>
          </a>
        ))}
        {found.data && hits.length === 0 ? <p class="quiet">Nothing is called so.</p> : null}
      </div>
    </Dialog>
  );
}

interface Where {
  project: string;
  endpoint: string | undefined;
  /** The snapshot whose records are searched; null where there is none, or it is not known yet. */
  version: string | null;
  at: string | null;
}

async function search(
  { project, endpoint, version, at: moment }: Where,
  asked: string,
  signal: AbortSignal,
): Promise<Hit[]> {
  const prefix = asked ? { name_prefix: asked } : {};
  const inside = endpoint !== undefined && asked !== "";
  const [endpoints, records, fields] = await Promise.all([
    get("/v1/endpoints", { in: project, query: { limit: MOST, ...prefix }, signal }),
    inside && version !== null
      ? get("/v1/snapshots/{snapshot_id}/records", {
          in: project,
          path: { snapshot_id: version },
          query: { q: asked, count: MOST },
          signal,
        })
      : null,
    inside
      ? get("/v1/endpoints/{endpoint}/fields", {
          in: project,
          path: { endpoint },
          query: { q: asked, limit: MOST },
          signal,
        })
      : null,
  ]);
  const base = at("p", project, "e", endpoint ?? "");
  return [
    ...endpoints.data.map(
      (each): Hit => ({
        kind: "endpoint",
        name: each.name,
        more: each.description || "endpoint",
        to: at("p", project, "e", each.name),
      }),
    ),
    ...(records?.rows ?? []).map((each): Hit => {
      const key = each.key.map(lastPart).join(", ");
      return {
        kind: "record",
        name: each.label ?? (key || each.path),
        more: each.label !== null && key !== each.label && key ? `record ${key}` : "record",
        to: `${base}?${new URLSearchParams({ ...(moment === null ? {} : { at: moment }), path: each.path })}`,
      };
    }),
    ...(fields?.data ?? []).map(
      (each): Hit => ({
        kind: "field",
        name: each.path,
        more: `field of ${endpoint}, changed ${each.changes} times`,
        to: `${base}/changes?field=${encodeURIComponent(each.path)}`,
      }),
    ),
  ];
}

/** The version that is looked at: of the address's moment, else the latest; null where there is none. */
async function versionOf(
  project: string,
  endpoint: string | undefined,
  moment: string | null,
  signal: AbortSignal,
): Promise<string | null> {
  if (endpoint === undefined) return null;
  const ms = Date.parse(moment ?? "");
  if (moment !== null && Number.isNaN(ms)) return moment;
  const to = moment === null ? {} : { to: new Date(ms + 1).toISOString() };
  const page = await get("/v1/snapshots", { in: project, query: { endpoint_id: endpoint, limit: 1, ...to }, signal });
  return page.data[0]?.id ?? null;
}
