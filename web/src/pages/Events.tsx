import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import { ofEvents } from "../anomalies/data.ts";
import { Marked, marksOf as unusualMarks, within } from "../anomalies/Marked.tsx";
import type { Anomaly } from "../anomalies/places.ts";
import type { Mark } from "../charts/marks.ts";
import { type Placed, PlotView } from "../charts/Plot.tsx";
import { csv } from "../csv.ts";
import { type Answered, askGroups, askLines, askSeries, askTotal, findFields, specOf } from "../explore/asking.ts";
import { Breakdown } from "../explore/Breakdown.tsx";
import { goTo } from "../explore/changing.ts";
import { EventsHead } from "../explore/EventsHead.tsx";
import { Here } from "../explore/Here.tsx";
import { Legend } from "../explore/Legend.tsx";
import { metricName } from "../explore/names.ts";
import { plotOf } from "../explore/plot.ts";
import { QuestionBar } from "../explore/QuestionBar.tsx";
import { eachMs, pickedText, pickedValue, type Question, readQuestion, type Value } from "../explore/question.ts";
import { before, numberOf, type Row } from "../explore/rows.ts";
import { SeriesRows } from "../explore/SeriesRows.tsx";
import { BigNumber, NoEvents, Transport } from "../explore/Transport.tsx";
import { DocumentStrips } from "../notes/DocumentStrips.tsx";
import { NoteDialog } from "../notes/NoteDialog.tsx";
import { NoteList } from "../notes/NoteList.tsx";
import type { Flag } from "../notes/notes.ts";
import { useNotes } from "../notes/useNotes.ts";
import { spanText } from "../overview/pulse.ts";
import { Failure } from "../parts/Failure.tsx";
import { Icon } from "../parts/Icon.tsx";
import { Loading } from "../parts/Loading.tsx";
import type { PageProps } from "../routes.ts";
import { SavedActs } from "../saved/SavedActs.tsx";
import { saveText } from "../state/download.ts";
import { isTyping } from "../state/keys.ts";
import { useLoad } from "../state/load.ts";
import { query, setQuery } from "../state/location.ts";
import { may } from "../state/may.ts";
import { zone } from "../state/zone.ts";
import "../anomalies/anomalies.css";
import "../charts/charts.css";
import "../style/lists.css";
import "../explore/explore.css";

/** What is drawn on each other unasked, where a stack or bars are broken down. */
const STACKED = 5;
const NONE: Answered["rows"] = [];
const NO_FIELDS = { groups: [], numbers: [] };

/** The explorer: what moved, by whom, and what the events say. All of the question is in the address. */
export default function Events({ params }: PageProps) {
  const project = params.project as string;
  const asked = query.value.toString();
  const shownZone = zone.value;
  const question = useMemo(() => readQuestion(new URLSearchParams(asked), shownZone, Date.now()), [asked, shownZone]);
  const answers = useAnswers(project, question);
  const { series, total, groups, lines, found } = answers;
  const rows = series.data?.rows ?? NONE;
  const plot = useMemo(
    () => plotOf(question, rows, { rows: rowsOf(lines.data, question.by), names: answers.names }),
    [series.data, lines.data, question.draw, question.by],
  );
  const at = bucketAt(rows, question);
  const noted = useNotes(project, question.span, query.value.getAll("docs"));
  const unusual = useUnusual(project, question, rows);
  const marks = useMemo(
    () => [...marksOf(noted.flags, rows, at), ...unusualMarks(unusual, "numbers")],
    [at, rows, noted.flags, unusual],
  );
  const [placed, setPlaced] = useState<Placed | null>(null);
  const [noting, setNoting] = useState(false);
  useNoting(() => may("annotations:write") && setNoting(true));
  useSteps(rows, at);
  const failed = series.error ?? total.error;
  const isEmpty = found.data?.groups.length === 0;
  return (
    <main id="main" class="wrap app explore-page">
      <EventsHead project={project}>
        <button class="btn" type="button" disabled={rows.length === 0} onClick={() => download(question, rows)}>
          <Icon name="download" />
          Download
        </button>
        {may("annotations:write") ? (
          <button class="btn" type="button" title="a" onClick={() => setNoting(true)}>
            Note
          </button>
        ) : null}
        <SavedActs project={project} kind="explorer" spec={() => ({ ...specOf(question) })} />
      </EventsHead>
      <QuestionBar question={question} found={found.data ?? NO_FIELDS} />
      <section class="time" aria-label={`${metricName(question.metrics[0] as string)} over time`}>
        <Transport question={question} rows={rows} at={at} total={total.data} />
        {failed ? (
          <Failure
            tried="Asking about events"
            error={failed}
            retry={() => {
              series.again();
              total.again();
            }}
          />
        ) : null}
        {!series.data && !failed ? <Loading /> : null}
        {series.data && !failed ? (
          question.draw === "table" ? (
            <SeriesRows question={question} rows={rows} at={at} />
          ) : question.draw === "number" ? (
            <BigNumber question={question} total={total.data} />
          ) : (
            <>
              <PlotView
                plot={plot}
                step={false}
                shape={question.draw === "line" ? "lines" : question.draw}
                fromZero
                marks={marks}
                zone={question.zone}
                sync={`explore ${project}`}
                onPlaced={(now) => setPlaced((before) => (isSame(before, now) ? before : now))}
                onGo={goTo}
                onZoom={(fromMs, toMs) => setQuery({ range: spanText(wholeBuckets(fromMs, toMs, question)), at: null })}
              />
              <Legend plot={plot} isFilled={question.draw !== "line"} />
              <DocumentStrips project={project} lines={noted.lines} placed={placed} go={goTo} />
            </>
          )
        ) : null}
        {noted.error ? (
          <Failure tried="Loading what was noted, and documents" error={noted.error} retry={noted.retry} />
        ) : null}
        <NoteList
          project={project}
          flags={noted.flags}
          hasMore={noted.hasMore}
          zone={question.zone}
          again={noted.again}
        />
        <Marked anomalies={unusual} signs="numbers" />
      </section>
      {noting ? (
        <NoteDialog
          project={project}
          note={null}
          ms={at === null ? Date.now() : Date.parse(rows[at]?.time as string)}
          close={() => setNoting(false)}
          done={noted.again}
        />
      ) : null}
      {isEmpty && question.where.length === 0 ? <NoEvents project={project} /> : null}
      <div class={question.by === null ? "split one" : "split"}>
        {question.by === null ? null : groups.error ? (
          <Failure tried="Breaking it down" error={groups.error} retry={groups.again} />
        ) : groups.data?.by === question.by ? (
          <Breakdown
            question={question}
            groups={groups.data}
            total={numberOf(total.data?.rows[0], question.metrics[0] as string) ?? 0}
          />
        ) : (
          <section class="doc" aria-label="Values">
            <Loading />
          </section>
        )}
        {found.data ? (
          <Here
            project={project}
            question={question}
            found={found.data}
            row={at === null ? null : (rows[at] ?? null)}
            total={total.data?.rows[0]}
            documents={noted.lines}
          />
        ) : found.error ? (
          <Failure tried="Looking at events" error={found.error} retry={found.again} />
        ) : (
          <section class="step" aria-label="Values">
            <Loading />
          </section>
        )}
      </div>
    </main>
  );
}

/** An answer that is broken down; the one before may be by another field. */
interface Split extends Answered {
  by: string;
}

function rowsOf(split: Split | null | undefined, by: string | null): Answered["rows"] {
  return split?.by === by ? (split?.rows ?? NONE) : NONE;
}

function useAnswers(project: string, question: Question) {
  const { metrics, by, where, each, span, isCompared, draw, picked } = question;
  const what = JSON.stringify([project, metrics, where, span, question.zone]);
  const total = useLoad((signal) => askTotal(project, question, signal), [what, isCompared]);
  const series = useLoad((signal) => askSeries(project, question, signal), [what, isCompared, each]);
  const groups = useLoad<Split | null>(
    async (signal) => (by === null ? null : { by, ...(await askGroups(project, question, signal)) }),
    [what, isCompared, by],
  );
  const first = rowsOf(groups.data, by)
    .slice(0, STACKED)
    .map((row) => pickedText((row[by ?? ""] ?? null) as Value));
  const names = by === null ? [] : picked.length > 0 ? [...picked] : draw === "stack" || draw === "bars" ? first : [];
  const lines = useLoad<Split | null>(
    async (signal) =>
      by === null || names.length === 0
        ? null
        : { by, ...(await askLines(project, question, names.map(pickedValue), signal)) },
    [what, each, by, names.join("\n")],
  );
  const found = useLoad(
    (signal) => findFields(project, question, signal),
    [JSON.stringify([project, where, span, question.zone])],
  );
  return { total, series, groups, lines, found, names };
}

/** What was unusual in the types of events that are asked for, of those that are drawn. */
function useUnusual(project: string, { span, where }: Question, rows: readonly Row[]): readonly Anomaly[] {
  const found = useLoad(
    async (signal) => (may("alerts:read") ? ofEvents(project, span, signal) : []),
    [project, span.fromMs, span.toMs],
  );
  const types = where.find(({ field, operation }) => field === "eventType" && operation === "is")?.values;
  return useMemo(
    () => within(found.data ?? [], types ? types.map(String) : null, timesOf(rows)),
    [found.data, rows, types],
  );
}

const timesOf = (rows: readonly Row[]) => rows.map((row) => Date.parse(row.time as string));

/** The place of the bucket that is looked into. */
function bucketAt(rows: readonly Row[], question: Question): number | null {
  const { atMs } = question;
  if (atMs === null) return null;
  for (let i = rows.length - 1; i >= 0; i -= 1) {
    const ms = Date.parse(rows[i]?.time as string);
    if (ms <= atMs) return atMs < ms + Math.max(eachMs(question.each), 1) * 1.05 ? i : null;
  }
  return null;
}

/** The needle, and a flag for what was noted. */
function marksOf(flags: readonly Flag[], rows: readonly Row[], at: number | null): Mark[] {
  const notes = flags.map(({ ms, toMs, letter, isIncident }) => {
    return { ms, toMs, letter, isStrong: isIncident, kind: "note" as const };
  });
  return at === null ? notes : [...notes, { ms: Date.parse(rows[at]?.time as string), kind: "moment" }];
}

function isSame(a: Placed | null, b: Placed): boolean {
  return a !== null && a.left === b.left && a.width === b.width && a.fromMs === b.fromMs && a.toMs === b.toMs;
}

/** `a` notes something. */
function useNoting(open: () => void): void {
  const act = useRef(open);
  act.current = open;
  useEffect(() => {
    const press = (event: KeyboardEvent) => {
      if (event.key !== "a" || event.ctrlKey || event.metaKey || event.altKey || isTyping(event.target)) return;
      event.preventDefault();
      act.current();
    };
    document.addEventListener("keydown", press);
    return () => document.removeEventListener("keydown", press);
  }, []);
}

/** `[` and `]`: the bucket before, and behind. */
function useSteps(rows: readonly Row[], at: number | null): void {
  useEffect(() => {
    const press = (event: KeyboardEvent) => {
      if (event.ctrlKey || event.metaKey || event.altKey || isTyping(event.target)) return;
      const by = { "[": -1, "]": 1 }[event.key];
      if (by === undefined || rows.length === 0) return;
      event.preventDefault();
      const to = at === null ? rows.length - 1 : Math.min(rows.length - 1, Math.max(0, at + by));
      goTo(Date.parse(rows[to]?.time as string));
    };
    document.addEventListener("keydown", press);
    return () => document.removeEventListener("keydown", press);
  }, [rows, at]);
}

/** A drag covers whole buckets, at least two of them. */
function wholeBuckets(fromMs: number, toMs: number, question: Question) {
  const ms = Math.min(eachMs(question.each), 36e5);
  const from = Math.floor(fromMs / ms) * ms;
  return { fromMs: from, toMs: Math.max(Math.ceil(toMs / ms) * ms, from + 2 * ms) };
}

function download(question: Question, rows: readonly Row[]): void {
  const names = question.metrics.flatMap((name) => (question.isCompared ? [name, `before ${name}`] : [name]));
  const lines = rows.map((row) => [
    row.time as string,
    ...question.metrics.flatMap((name) =>
      question.isCompared ? [cell(row[name]), before(row, name)] : [cell(row[name])],
    ),
  ]);
  saveText(csv(["time", ...names], lines), "events.csv", "text/csv;charset=utf-8");
}

function cell(value: unknown): string | number | null {
  return typeof value === "number" || typeof value === "string" ? value : null;
}
