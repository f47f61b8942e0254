import "../style/ledger.css";
import "../document/document.css";
import "../document/panels.css";
import "../style/panel.css";
import "../connect/trio.css";
import "../sync/sync.css";
import "../records/records.css";
import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import { ConnectHead } from "../connect/Head.tsx";
import { listHistory, listRecords, type Version } from "../records/data.ts";
import { RecordList } from "../records/RecordList.tsx";
import { RecordPane } from "../records/RecordPane.tsx";
import type { PageProps } from "../routes.ts";
import { at, href, query } from "../state/location.ts";
import { usePages } from "../state/pages.ts";
import { useSyncStream } from "../state/stream.ts";
import { inSpace } from "../sync/inSpace.ts";
import { SpaceBar } from "../sync/SpaceBar.tsx";
import { headersOf, spaceOf } from "../sync/space.ts";
import { TypeList } from "../sync/TypeList.tsx";

/** So long several changes are waited for, to be shown at once. */
const NEWS_MS = 400;
/** A longer list is not fetched anew by itself: its reader is told that there is news. */
const SHORT = 200;

/** The records of a data type: found by id, opened with what they were, compared, and put back. */
export default function Records({ params }: PageProps) {
  const project = params.project as string;
  const asked = query.value;
  const type = asked.get("type");
  const space = useMemo(() => spaceOf(asked), [asked.get("person"), asked.get("space")]);
  return (
    <main id="main" class="panel-page wrap app trio-page devices-page records-page">
      <ConnectHead project={project} />
      <SpaceBar project={project} space={space} />
      {type ? (
        <OfType key={type} project={project} space={space} type={type} />
      ) : (
        <section class="doc" aria-label="Data types">
          <div class="bar">
            <h2>Data types</h2>
            <a class="btn ghost" href={href(inSpace(at("p", project, "devices")))}>
              All devices
            </a>
          </div>
          <TypeList project={project} space={space} />
        </section>
      )}
    </main>
  );
}

function OfType({ project, space, type }: { project: string; space: ReturnType<typeof spaceOf>; type: string }) {
  const asked = query.value;
  const source = useMemo(() => ({ project, space, type }), [project, space, type]);
  const wanted = { prefix: asked.get("prefix") ?? "", deleted: asked.get("deleted") === "1" };
  const record = asked.get("record");
  const pages = usePages<Version>(
    (cursor, signal) => listRecords(source, wanted, cursor, signal),
    [source, wanted.prefix, wanted.deleted],
  );
  const history = usePages<Version>(
    async (cursor, signal) =>
      record === null ? { data: [], next_cursor: null } : listHistory(source, record, cursor, signal),
    [source, record],
  );
  const [turn, setTurn] = useState(0);
  const [isBehind, setBehind] = useState(false);
  const changed = () => {
    setTurn((before) => before + 1);
    setBehind(false);
    pages.again();
    history.again();
  };
  const heard = () => {
    if ((pages.data?.length ?? 0) + (history.data?.length ?? 0) <= SHORT) changed();
    else setBehind(true);
  };
  useNews(project, headersOf(space), type, heard, pages.data !== undefined);
  return (
    <div class={`trio${record === null ? " none-open" : ""}`}>
      <section class="step record-list" aria-label="Records">
        <div class="bar">
          <h2>{type}</h2>
          <a class="btn ghost" href={href(inSpace(at("p", project, "devices", "records")))}>
            All types
          </a>
        </div>
        {isBehind ? (
          <p class="said" role="status">
            Something changed.{" "}
            <button class="newer" type="button" onClick={changed}>
              Show it
            </button>
          </p>
        ) : null}
        <RecordList pages={pages} wanted={wanted} chosen={record} />
      </section>
      {record === null ? (
        <section class="doc" aria-label="Record">
          <p class="said">
            Choose a record: its content, its versions and what changed from one to the next show here.
          </p>
        </section>
      ) : (
        <RecordPane key={record} source={source} record={record} history={history} turn={turn} changed={changed} />
      )}
    </div>
  );
}

/** Calls `heard` after changes of a data type. What the stream says when it begins is how far all of them are: news only
 * where the list that `isShown` may be older. */
function useNews(
  project: string,
  space: Record<string, string>,
  type: string,
  heard: () => void,
  isShown: boolean,
): void {
  const known = useRef(0);
  const timer = useRef<ReturnType<typeof setTimeout> | undefined>(undefined);
  const act = useRef(heard);
  act.current = heard;
  useEffect(() => () => clearTimeout(timer.current), []);
  useSyncStream(project, space, ({ event, data }) => {
    const told = data as { data_type?: string; version?: number };
    if (event !== "news" || told.data_type !== type || told.version === undefined) return;
    const isFirst = known.current === 0;
    known.current = told.version;
    if (isFirst && !isShown) return;
    clearTimeout(timer.current);
    timer.current = setTimeout(() => act.current(), NEWS_MS);
  });
}
