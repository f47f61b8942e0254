import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import { useLoad } from "../state/load.ts";
import { query } from "../state/location.ts";
import { now } from "../state/now.ts";
import { type Told, useStream } from "../state/stream.ts";
import type { Bar, Span } from "../time/bars.ts";
import { arrived, EMPTY, type Feed, feedOf, released } from "./feed.ts";
import { isSort, type Known, type Listed, type Sort } from "./list.ts";
import { type News, pulseWithNews, type ToldDelta, type ToldSnapshot, withNews } from "./live.ts";
import { loadAll, loadFirst, loadLately, loadPulse, sparkSpan } from "./load.ts";
import { gridOf, spanOf } from "./pulse.ts";

/** News is worked in once a second, however much comes. */
const SECOND = 1000;
const FEED_MS = 2000;
const AFRESH_MS = 600_000;

/** All that the overview shows, fetched once and kept up with by the stream. */
export function useOverview(project: string) {
  const chosen = spanOf(query.value.get("hour"));
  const feedText = query.value.get("feed");
  const only = useMemo(() => feedOf(feedText), [feedText]);
  const turn = Math.floor(now.value / AFRESH_MS); // the bars' buckets move with time
  const { sought, sort } = asked(query.value);
  const [wantsAll, setWantsAll] = useState(sought !== "");
  const [firstBy, setFirstBy] = useState(sort);
  const fetched = useLoad(
    (signal) => (wantsAll ? loadAll(project, signal) : loadFirst(project, firstBy, signal)),
    [project, turn, wantsAll, firstBy],
  );
  const endpoints = useKept<Known>(fetched.data);
  const isPart = endpoints.value?.isWhole === false;
  const fetchAll = () => {
    if (isPart) setWantsAll(true);
  };
  useEffect(() => {
    if (isPart && !wantsAll) setFirstBy(sort); // the first by name are others than those that changed last
    if (sought !== "") fetchAll();
  }, [sort, sought, isPart]);
  const range = query.value.get("range");
  // Other ranges do not begin with the history: for them the pulse does not wait for the list, and is asked for once.
  const firstMs = useMemo(
    () => (range === "all" ? (fetched.data?.totals.firstMs ?? null) : null),
    [range, fetched.data],
  );
  const hour = Math.floor(now.value / 3_600_000);
  const grid = useMemo(() => gridOf(range, Date.now(), firstMs), [range, firstMs, hour]);
  const pulse = useLoad((signal) => loadPulse(project, grid, signal), [project, grid, turn]);
  const bars = useKept<readonly Bar[]>(pulse.data);
  const feed = useFeed(project, endpoints.value?.listed, only, chosen);
  const news = useNews(project, endpoints.value !== undefined);
  useEffect(() => {
    if (news === null) return;
    const { fromMs, toMs } = sparkSpan(Date.now());
    const next = endpoints.value ? withNews(endpoints.value, news, fromMs, toMs) : null;
    if (next) endpoints.set(next);
    else if (isPart && !wantsAll && !news.afresh) fetchAll();
    else if (!fetched.busy || news.afresh) fetched.again();
    bars.set(pulseWithNews(bars.value ?? [], grid, news.deltas));
    if (news.missed) pulse.again();
    if (news.missed || news.deltas.length > 0) feed.stir();
  }, [news]);
  return {
    endpoints: { data: endpoints.value, error: fetched.error, again: fetched.again },
    fetchAll,
    sought,
    sort,
    bars: { data: bars.value, error: pulse.error, again: pulse.again },
    feed,
    grid,
    chosen,
    only,
  };
}

/** What was fetched, until news is worked into it. */
function useKept<T>(fetched: T | undefined): { value: T | undefined; set: (value: T) => void } {
  const [kept, setKept] = useState<{ of: T | undefined; value: T | undefined }>({ of: undefined, value: undefined });
  const value = kept.of === fetched ? kept.value : fetched;
  return { value, set: (next) => setKept({ of: fetched, value: next }) };
}

/** What the list is filtered by, and its order. */
function asked(query: URLSearchParams): { sought: string; sort: Sort } {
  const sort = query.get("sort") ?? undefined;
  return { sought: query.get("q") ?? "", sort: isSort(sort) ? sort : "changed" };
}

/** What the stream told within a second; null while it told nothing. What came between the list that `isShown` and its
 * begin is missed. */
function useNews(project: string, isShown: boolean): News | null {
  const [news, setNews] = useState<News | null>(null);
  const gathered = useRef(nothing());
  const gather = (told: (own: Gathered) => void) => {
    const own = gathered.current;
    told(own);
    own.timer ||= window.setTimeout(() => {
      setNews(own);
      gathered.current = nothing();
    }, SECOND);
  };
  const begun = () => {
    if (isShown) gather((own) => miss(own));
  };
  const heard = ({ event, data }: Told) =>
    gather((own) => {
      if (event === "snapshot.created") own.snapshots.push(data as ToldSnapshot);
      else if (event === "delta.created") own.deltas.push(data as ToldDelta);
      else if (event === "gap") miss(own);
      else own.afresh = true;
    });
  useEffect(() => () => clearTimeout(gathered.current.timer), []);
  useStream(project, ["snapshots", "deltas", "endpoints"], heard, { begun });
  return news;
}

type Gathered = ReturnType<typeof nothing>;

function nothing() {
  return { snapshots: [] as ToldSnapshot[], deltas: [] as ToldDelta[], afresh: false, missed: false, timer: 0 };
}

function miss(own: Gathered): void {
  own.afresh = true;
  own.missed = true;
}

/** Lately: asked for anew when deltas came, at most every two seconds; news waits while somebody reads. */
function useFeed(
  project: string,
  endpoints: readonly Listed[] | undefined,
  only: readonly string[],
  span: Span | null,
) {
  const [feed, setFeed] = useState<Feed>(EMPTY);
  const [stirred, setStirred] = useState(0);
  const reading = useRef(false);
  const timer = useRef(0);
  const names = useRef<ReadonlyMap<string, string>>(new Map());
  names.current = useMemo(() => new Map((endpoints ?? []).map((one) => [one.id, one.name])), [endpoints]);
  const known = endpoints !== undefined;
  const narrow = JSON.stringify([project, only, span]);
  const shownFor = useRef(narrow);
  const loaded = useLoad(
    async (signal) => (known ? loadLately(project, { endpoints: only, span }, names.current, signal) : undefined),
    [narrow, known, stirred],
  );
  useEffect(() => {
    if (!loaded.data) return;
    const same = shownFor.current === narrow;
    shownFor.current = narrow;
    setFeed((was) => arrived(same ? was : EMPTY, loaded.data ?? [], same && reading.current && was.items.length > 0));
  }, [loaded.data]);
  useEffect(() => () => clearTimeout(timer.current), []);
  return {
    data: feed,
    error: loaded.error,
    again: loaded.again,
    busy: loaded.busy || !known,
    stir: () => {
      timer.current ||= window.setTimeout(() => {
        timer.current = 0;
        setStirred((was) => was + 1);
      }, FEED_MS);
    },
    setReading: (is: boolean) => {
      reading.current = is;
      if (!is) setFeed(released);
    },
    release: () => setFeed(released),
  };
}
