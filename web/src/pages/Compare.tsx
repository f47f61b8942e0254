import "../style/ledger.css";
import { useEffect, useMemo, useState } from "preact/hooks";
import { Body } from "../compare/Body.tsx";
import { type DiffSettings, type Place, rowsOf } from "../compare/data.ts";
import { type Ends, NoVersion, textOf, useEnds, useNeighbours } from "../compare/ends.ts";
import { filterOf } from "../compare/filters.ts";
import { Head } from "../compare/Head.tsx";
import { lastLooked, looked } from "../compare/looked.ts";
import { type End, Moments } from "../compare/Moments.tsx";
import { presetsOf } from "../compare/presets.ts";
import { useCompareKeys } from "../compare/useCompareKeys.ts";
import { useComparison } from "../compare/useComparison.ts";
import { type Line, timeline } from "../document/requests.ts";
import { Failure } from "../parts/Failure.tsx";
import { Loading } from "../parts/Loading.tsx";
import { NothingChanged } from "../parts/NothingChanged.tsx";
import type { PageProps } from "../routes.ts";
import { useLoad } from "../state/load.ts";
import { query, setQuery } from "../state/location.ts";
import { zone } from "../state/zone.ts";

export default function Compare({ params }: PageProps) {
  const place = useMemo(
    () => ({ project: params.project ?? "", endpoint: params.endpoint ?? "" }),
    [params.project, params.endpoint],
  );
  const asked = query.value;
  const ends = useEnds(place, asked.get("a"), asked.get("b"));
  const [trial, setTrial] = useState<DiffSettings | null>(null);
  const filter = useMemo(() => filterOf(asked), [asked]);
  const pair = useMemo(
    () => (ends.data ? { a: ends.data.a.id, b: ends.data.b.id, diff: trial } : null),
    [ends.data, trial],
  );
  const all = asked.get("all") === "1";
  const key = JSON.stringify(pair);
  const ask = useMemo(() => pair && rowsOf(place, pair), [place, key]);
  const compared = useComparison(pair, ask, filter, all);
  const error = ends.error ?? compared.error;
  const placed = useNeighbours(place, ends.data);
  useCompareKeys(placed.ends, placed.isSettled);
  return (
    <main id="main" class="wrap app compare">
      <Head
        place={place}
        pair={pair}
        layout={asked.get("view") === "inline" ? "inline" : "side"}
        setLayout={(layout) => setQuery({ view: layout === "inline" ? "inline" : null })}
        all={all}
        setAll={(all) => setQuery({ all: all ? "1" : null })}
      />
      <MomentsLine place={place} {...placed} />
      {error ? (
        <Failed place={place} error={error} again={ends.error ? ends.again : compared.again} />
      ) : compared.data && ends.data ? (
        <Body place={place} ends={ends.data} compared={compared.data} setTrial={setTrial} />
      ) : (
        <div class="ledger" />
      )}
      {(ends.busy || compared.busy) && <Loading label="Comparing" />}
    </main>
  );
}

function Failed({ place, error, again }: { place: Place; error: unknown; again: () => void }) {
  if (!(error instanceof NoVersion)) return <Failure tried="Comparing" error={error} retry={again} />;
  if (!query.value.has("a") && !query.value.has("b")) {
    const says = "Nothing has changed yet: the first two versions that differ are compared here.";
    return <NothingChanged {...place} says={says} box="ledger empty" />;
  }
  return (
    <div class="ledger empty">
      <p>There is nothing to compare with: {error.message}.</p>
      <button type="button" class="btn" onClick={() => setQuery({ a: null, b: null })}>
        The last change
      </button>
    </div>
  );
}

/** The two moments, and where they stand in the endpoint's history. */
function MomentsLine({ place, ends, isSettled }: { place: Place; ends: Ends | undefined; isSettled: boolean }) {
  const history = useLoad((signal) => timeline(place, signal), [place]);
  const lookedAt = useMemo(() => lastLooked(place.project, place.endpoint), [place]);
  const { data } = history;
  useEffect(() => {
    if (data?.whole) looked(place.project, place.endpoint, new Date(data.whole.toMs).toISOString());
  }, [place, data]);
  const numbered = (end: End | undefined) => (end ? { ...end, number: numberOf(data, end.id) } : null);
  const known = { ends, firstMs: data?.whole?.fromMs ?? null, lookedMs: lookedAt ? Date.parse(lookedAt) : null };
  return (
    <Moments
      a={numbered(ends?.a)}
      b={numbered(ends?.b)}
      bars={data?.bars ?? []}
      bucketMs={data?.bucketMs ?? null}
      whole={data?.whole ?? null}
      zone={zone.value}
      isSettled={isSettled}
      presets={(side) => presetsOf(known, side)}
      choose={(side, chosen) => setQuery({ [side]: textOf(chosen) })}
      swap={() => ends && setQuery({ a: at(ends.b), b: at(ends.a) })}
    />
  );
}

function at(end: End): string {
  return new Date(end.ms).toISOString();
}

/** A version's place among all, where the timeline has a bar of each. */
function numberOf(history: Line | undefined, id: string): number | null {
  if (!history || history.bucketMs !== null) return null;
  const at = history.bars.findIndex((bar) => bar.id === id);
  return at < 0 ? null : at + 1;
}
