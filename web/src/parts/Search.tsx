import { useEffect, useRef, useState } from "preact/hooks";
import { get } from "../api.ts";
import { searching } from "../state/keys.ts";
import { useLoad } from "../state/load.ts";
import { at, go, href } from "../state/location.ts";
import { matched } from "../state/project.ts";
import { Dialog } from "./Dialog.tsx";
import { Failure } from "./Failure.tsx";
import { Icon } from "./Icon.tsx";

interface Hit {
  kind: "endpoint" | "field";
  name: string;
  more: string;
  to: string;
}

const MOST = 8;
const PAUSE_MS = 120;

/** `/`: endpoints by the beginning of their name, and fields of the endpoint that is open by any part of theirs. */
export function Search({ project }: { project: string }) {
  const [typed, setTyped] = useState("");
  const [chosen, setChosen] = useState(0);
  const asked = usePaused(typed.trim());
  const endpoint = matched.value?.params.endpoint;
  const found = useLoad((signal) => search(project, endpoint, asked, signal), [project, endpoint, asked]);
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
          placeholder={endpoint === undefined ? "An endpoint" : `An endpoint, or a field of ${endpoint}`}
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

async function search(
  project: string,
  endpoint: string | undefined,
  asked: string,
  signal: AbortSignal,
): Promise<Hit[]> {
  const prefix = asked ? { name_prefix: asked } : {};
  const [endpoints, fields] = await Promise.all([
    get("/v1/endpoints", { in: project, query: { limit: MOST, ...prefix }, signal }),
    endpoint !== undefined && asked
      ? get("/v1/endpoints/{endpoint}/fields", {
          in: project,
          path: { endpoint },
          query: { q: asked, limit: MOST },
          signal,
        })
      : null,
  ]);
  return [
    ...endpoints.data.map(
      (each): Hit => ({
        kind: "endpoint",
        name: each.name,
        more: each.description || "endpoint",
        to: at("p", project, "e", each.name),
      }),
    ),
    ...(fields?.data ?? []).map(
      (each): Hit => ({
        kind: "field",
        name: each.path,
        more: `field of ${endpoint}, changed ${each.changes} times`,
        to: `${at("p", project, "e", endpoint ?? "", "changes")}?field=${encodeURIComponent(each.path)}`,
      }),
    ),
  ];
}

/** What was typed, once nothing more has been for a moment. */
function usePaused(text: string): string {
  const [paused, setPaused] = useState(text);
  useEffect(() => {
    const timer = setTimeout(() => setPaused(text), PAUSE_MS);
    return () => clearTimeout(timer);
  }, [text]);
  return paused;
}
