import { useMemo, useState } from "preact/hooks";
import { EndpointBin } from "../overview/EndpointBin.tsx";
import { EndpointList } from "../overview/EndpointList.tsx";
import { Figures } from "../overview/Figures.tsx";
import { feedText } from "../overview/feed.ts";
import { Lately } from "../overview/Lately.tsx";
import { type Known, SORTS, shown } from "../overview/list.ts";
import { sparkSpan } from "../overview/load.ts";
import { Pulse } from "../overview/Pulse.tsx";
import { RANGES, type Range, spanText, USUAL } from "../overview/pulse.ts";
import { useOverview } from "../overview/useOverview.ts";
import { useRowKeys } from "../overview/useRowKeys.ts";
import { Failure } from "../parts/Failure.tsx";
import { Icon } from "../parts/Icon.tsx";
import { Later } from "../parts/Later.tsx";
import { Loading } from "../parts/Loading.tsx";
import type { PageProps } from "../routes.ts";
import { at, href, query, setQuery } from "../state/location.ts";
import { may } from "../state/may.ts";
import { now } from "../state/now.ts";
import { zone } from "../state/zone.ts";
import { clock, moment } from "../time/clock.ts";
import "../overview/overview.css";

const firstDocument = () => import("../overview/FirstDocument.tsx");
const newEndpoint = () => import("../overview/NewEndpoint.tsx");
const SPARK_OVER = "9 days";

export default function Overview({ params }: PageProps) {
  const project = params.project as string;
  const view = useOverview(project);
  useRowKeys();
  const { endpoints, grid, chosen } = view;
  if (endpoints.error && !endpoints.data) {
    return (
      <main id="main" class="wrap">
        <Failure tried="Loading the endpoints" error={endpoints.error} retry={endpoints.again} />
      </main>
    );
  }
  if (!endpoints.data) return <Loading />;
  if (endpoints.data.totals.endpoints === 0) {
    return (
      <main id="main" class="wrap">
        <Later from={firstDocument} props={{ project }} />
        {may("endpoints:admin") ? <EndpointBin project={project} changed={endpoints.again} /> : null}
      </main>
    );
  }
  const range = query.value.get("range");
  const named = range === null ? USUAL : range in RANGES ? (range as Range) : null;
  return (
    <main id="main" class="wrap">
      <Figures sums={endpoints.data.totals} />
      <Pulse
        grid={grid}
        bars={view.bars.data ?? []}
        isQuiet={view.bars.data?.length === 0}
        error={view.bars.error}
        retry={view.bars.again}
        zone={zone.value}
        range={named}
        chosen={chosen}
        onRange={(name) => setQuery({ range: name === USUAL ? null : name, hour: null })}
        onZoom={(span) => setQuery({ range: spanText(span), hour: null })}
        onChoose={(span) => setQuery({ hour: span === null ? null : spanText(span) })}
      />
      <div class="cols">
        <div>
          <Endpoints project={project} view={view} />
          {may("endpoints:admin") ? <EndpointBin project={project} changed={endpoints.again} /> : null}
        </div>
        <Lately
          project={project}
          feed={view.feed.data}
          error={view.feed.error}
          retry={view.feed.again}
          busy={view.feed.busy}
          zone={zone.value}
          narrowed={narrowedText(view)}
          endpoints={endpoints.data.listed}
          onChoosing={view.fetchAll}
          only={view.only}
          onOnly={(names) => setQuery({ feed: feedText(names) })}
          onAll={() => setQuery({ hour: null, feed: null })}
          onReading={view.feed.setReading}
          onRelease={view.feed.release}
        />
      </div>
    </main>
  );
}

function narrowedText({ chosen, only }: ReturnType<typeof useOverview>): string | null {
  const when = chosen ? `${moment(chosen.fromMs, zone.value)} to ${clock(chosen.toMs, zone.value)}` : "";
  const who = only.length > 3 ? `${only.length} endpoints` : only.join(", ");
  return [who, when].filter(Boolean).join(", ") || null;
}

function Endpoints({ project, view }: { project: string; view: ReturnType<typeof useOverview> }) {
  const [making, setMaking] = useState(false);
  const { sought, sort } = view;
  const { listed, totals, isWhole } = view.endpoints.data as Known;
  const found = useMemo(() => shown(listed, sought, sort), [listed, sought, sort]);
  const isLooking = sought !== "" && !isWhole;
  const nowMs = now.value;
  return (
    <section class="list" aria-labelledby="h-eps">
      <div class="bar">
        <h1 id="h-eps">Endpoints</h1>
        <label class="filter">
          <Icon name="search" />
          <span class="sr">Filter endpoints</span>
          <input
            type="search"
            data-search
            placeholder="Filter"
            value={sought}
            onInput={(event) => setQuery({ q: event.currentTarget.value }, { replace: true })}
          />
        </label>
        <label class="pick">
          <span class="sr">Sort by</span>
          <select
            value={sort}
            onChange={(event) =>
              setQuery({ sort: event.currentTarget.value === "changed" ? null : event.currentTarget.value })
            }
          >
            {Object.entries(SORTS).map(([name, text]) => (
              <option key={name} value={name}>
                {text}
              </option>
            ))}
          </select>
        </label>
        {may("endpoints:write") ? (
          <>
            <button class="btn" type="button" onClick={() => setMaking(true)}>
              New endpoint
            </button>
            <a class="btn primary" href={href(at("p", project, "track"))}>
              Track something
            </a>
          </>
        ) : null}
      </div>
      {isLooking ? <Loading label="Looking through all endpoints" /> : null}
      {found.length > 0 || isLooking ? (
        <EndpointList
          project={project}
          endpoints={found}
          count={sought === "" ? totals.endpoints : found.length}
          onMore={view.fetchAll}
          nowMs={nowMs}
          spark={{ ...sparkSpan(nowMs), over: SPARK_OVER }}
        />
      ) : (
        <p class="none">
          No endpoint has “{sought}” in its name or description.{" "}
          <button class="btn" type="button" onClick={() => setQuery({ q: null })}>
            Show all
          </button>
        </p>
      )}
      {view.endpoints.error ? (
        <Failure tried="Loading the endpoints" error={view.endpoints.error} retry={view.endpoints.again} />
      ) : null}
      <p class="legend">
        <span>
          <i class="k-up" />
          added, changed and moved
        </span>
        <span>
          <i class="k-dn" />
          removed
        </span>
        <span class="grow" />
        <span>Times in {zone.value.replaceAll("_", " ")}</span>
      </p>
      {making ? <Later from={newEndpoint} props={{ project, close: () => setMaking(false) }} /> : null}
    </section>
  );
}
