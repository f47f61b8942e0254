import "../style/lists.css";
import "../style/panel.css";
import "../settings/settings.css";
import { useEffect, useRef, useState } from "preact/hooks";
import { get, type Schemas } from "../api.ts";
import { Failure } from "../parts/Failure.tsx";
import { Loading } from "../parts/Loading.tsx";
import type { PageProps } from "../routes.ts";
import { useLoad } from "../state/load.ts";
import { at, href, query, setQuery } from "../state/location.ts";
import { may } from "../state/may.ts";
import { ownZone } from "../state/zone.ts";
import { Ask } from "../track/Ask.tsx";
import { type Draft, draftOf, newDraft, type Source, shareable } from "../track/draft.ts";
import { Begin, FailedTrial, RefusedTrial } from "../track/States.tsx";
import { TriedSource } from "../track/TriedSource.tsx";
import { useTrial } from "../track/useTrial.ts";
import "../document/document.css";
import "../track/track.css";

/** Paste an address, keep what matters. With `?endpoint=` how that one is polled is changed. */
export default function Track({ params }: PageProps) {
  const project = params.project as string;
  const endpoint = query.value.get("endpoint");
  const { data, error, again } = useLoad(
    (signal) =>
      endpoint === null
        ? Promise.resolve(null)
        : get("/v1/endpoints/{endpoint}", { in: project, path: { endpoint }, signal }),
    [project, endpoint],
  );
  const known = data?.endpoint ?? null;
  return (
    <main id="main" class="panel-page wrap app track-page">
      <div class="head">
        <h1>
          <a href={href(at("p", project))}>Endpoints</a>
          <span aria-hidden="true">/</span>
          {endpoint === null ? (
            "Track something"
          ) : (
            <>
              <a href={href(at("p", project, "e", endpoint))}>
                <bdi>{endpoint}</bdi>
              </a>
              <span aria-hidden="true">/</span>
              How it is polled
            </>
          )}
        </h1>
      </div>
      {error ? <Failure tried="Loading the endpoint" error={error} retry={again} /> : null}
      {data === undefined && !error ? <Loading /> : null}
      {data === undefined ? null : may("endpoints:write") ? (
        <Tracking key={endpoint} project={project} endpoint={known} />
      ) : (
        <p class="none">An editor or admin of the project tracks sources.</p>
      )}
    </main>
  );
}

function firstDraft(endpoint: Schemas["Endpoint"] | null): Draft {
  if (endpoint?.polling) return draftOf(endpoint.polling);
  const asked = query.peek();
  const every = asked.get("every");
  return newDraft(
    asked.get("url") ?? "",
    asked.get("keep"),
    every && /^\d{1,6}[smhd]$/.test(every) ? every : "",
    ownZone(),
  );
}

function Tracking({ project, endpoint }: { project: string; endpoint: Schemas["Endpoint"] | null }) {
  const [draft, setDraft] = useState(() => firstDraft(endpoint));
  const [shown, show] = useState<"source" | "kept">("source");
  const [signing, sign] = useState(false);
  const { trial, made, ask } = useTrial({ project, endpoint: endpoint?.name ?? null }, draft);
  const [name, setName] = useState(endpoint?.name ?? null);
  const [ignored, setIgnored] = useState<ReadonlySet<string>>(() => new Set(endpoint?.diff.ignore ?? []));
  const asked = useRef<string | null>(null);
  const change = (part: Partial<Draft>) => setDraft((was) => ({ ...was, ...part }));
  const askNow = async (part: Partial<Source> = {}) => {
    const isOther = asked.current !== null && origin(part.url ?? draft.source.url) !== origin(asked.current);
    // What was meant for one server is not sent to another.
    const own = isOther && endpoint === null ? { headers: [], auth: null, body: "", paging: null } : {};
    const source = { ...draft.source, ...own, ...part };
    const isElsewhere = asked.current !== null && pathOf(source.url) !== pathOf(asked.current);
    if (isElsewhere && endpoint === null) {
      change({ source, transform: null });
      setName(null);
      setIgnored(new Set());
    } else change({ source });
    if (source.url.trim() === "") return;
    asked.current = source.url;
    history.replaceState({ ...history.state, tried: shareable(source.url) }, "");
    show("source");
    const next = await ask(source);
    if (next.state === "failed" && next.failed.status === 401) sign(true);
    if (next.state === "tried")
      setDraft((was) => (was.every === "" ? { ...was, every: next.told.suggested.interval } : was));
  };
  useEffect(() => {
    // A link does not make the server ask anything: who follows it does, once; then it stays so when the page is loaded anew.
    const isOwn = endpoint !== null || history.state?.tried === draft.source.url;
    if (draft.source.url !== "" && isOwn) void askNow();
  }, []);
  useEffect(() => {
    if (endpoint !== null) return;
    const isUsual = trial.state === "tried" && draft.every === trial.told.suggested.interval;
    const every = draft.every === "cron" || isUsual ? null : draft.every;
    setQuery({ url: shareable(draft.source.url), keep: draft.transform, every }, { replace: true });
  }, [draft.source.url, draft.transform, draft.every, trial.state]);
  return (
    <>
      <Ask
        draft={draft}
        trial={trial}
        shown={shown}
        show={show}
        change={(part) => change({ source: { ...draft.source, ...part } })}
        ask={(part) => void askNow(part)}
        signing={signing}
        sign={sign}
      />
      {trial.state === "none" ? <Begin project={project} /> : null}
      {trial.state === "trying" ? <Loading label="Trying the source" /> : null}
      {trial.state === "refused" ? <RefusedTrial error={trial.error} retry={() => void askNow()} /> : null}
      {trial.state === "failed" ? (
        <FailedTrial failed={trial.failed} retry={() => void askNow()} sign={() => sign(true)} />
      ) : null}
      {trial.state === "tried" ? (
        <TriedSource
          project={project}
          endpoint={endpoint}
          draft={draft}
          tried={trial}
          made={made}
          shown={shown}
          name={name ?? trial.told.suggested.name}
          rename={setName}
          ignored={ignored}
          ignore={setIgnored}
          change={change}
          ask={(part) => void askNow(part)}
        />
      ) : null}
    </>
  );
}

function origin(url: string): string {
  return URL.parse(url)?.origin ?? url;
}

function pathOf(url: string): string {
  const parsed = URL.parse(url);
  return parsed === null ? url : parsed.origin + parsed.pathname;
}
