import { countsText, type DocumentLine, within } from "../notes/documents.ts";
import { percent } from "../numbers.ts";
import { Failure } from "../parts/Failure.tsx";
import { Loading } from "../parts/Loading.tsx";
import { Segments } from "../parts/Segments.tsx";
import { useLoad } from "../state/load.ts";
import { at, href, query, setQuery } from "../state/location.ts";
import { usePages } from "../state/pages.ts";
import type { Span } from "../time/bars.ts";
import { moment } from "../time/clock.ts";
import { askEvents, askTop, type FieldValues } from "./asking.ts";
import { Share } from "./Breakdown.tsx";
import { addCondition, breakDownBy, goTo } from "./changing.ts";
import { EventList } from "./EventList.tsx";
import { figure, metricName, valueName } from "./names.ts";
import { eachMs, eachName, type Question, type Value } from "./question.ts";
import { before, type EventJson, type Found, numberOf, type Row } from "./rows.ts";

interface HereProps {
  project: string;
  question: Question;
  found: Found;
  /** The bucket that is looked into; null for the whole range. */
  row: Row | null;
  total: Row | undefined;
  /** How documents changed meanwhile. */
  documents?: readonly DocumentLine[];
}

const PAGE = 50;
const LISTS = { values: "Values", events: "Events" } as const;

/** What there is in one bucket, or in all of the range: its number, the values of each field, its events. */
export function Here({ project, question, found, row, total, documents = [] }: HereProps) {
  const raw = query.value.get("list") === "events";
  const metric = question.metrics[0] as string;
  const fromMs = row ? Date.parse(row.time as string) : question.span.fromMs;
  const span: Span = row ? { fromMs, toMs: fromMs + eachMs(question.each) } : question.span;
  const now = numberOf(row ?? total, metric);
  const was = before(row ?? total, metric);
  const title = row ? `In this ${eachName(question.each)}` : "In all of it";
  return (
    <section class="step" aria-label={title}>
      <div class="bar">
        <h2>{title}</h2>
        <span class="pos">
          <b>{figure(now)}</b> {metricName(metric).toLowerCase()}
          {question.isCompared && was !== null ? `, before ${figure(was)}` : ""}
        </span>
        <span class="grow" />
        <Segments
          label="List"
          options={LISTS}
          value={raw ? "events" : "values"}
          choose={(list) => setQuery({ list: list === "events" ? list : null })}
        />
      </div>
      <div class="sum">
        {row ? <Changes project={project} lines={documents} span={span} zone={question.zone} /> : null}
        {raw ? (
          <Raw project={project} question={question} span={span} />
        ) : (
          <Values project={project} question={question} found={found} span={span} total={now ?? 0} />
        )}
      </div>
    </section>
  );
}

/** What documents became then: the change opens the document as it was. */
function Changes({
  project,
  lines,
  span,
  zone,
}: {
  project: string;
  lines: readonly DocumentLine[];
  span: Span;
  zone: string;
}) {
  const found = lines.flatMap((line) => {
    const mark = within(line, span);
    return mark ? [{ line, mark }] : [];
  });
  if (found.length === 0) return null;
  return (
    <section class="vals changes-here" aria-label="Documents then">
      <ul>
        {found.map(({ line, mark }) => (
          <li key={line.endpoint}>
            <a
              class="link"
              href={href(`${at("p", project, "e", line.endpoint)}?at=${new Date(mark.ms).toISOString()}`)}
            >
              {line.endpoint}
            </a>{" "}
            {countsText(mark)} <span class="quiet">{moment(mark.ms, zone)}</span>
          </li>
        ))}
      </ul>
    </section>
  );
}

interface ValuesProps {
  project: string;
  question: Question;
  found: Found;
  span: Span;
  total: number;
}

function Values({ project, question, found, span, total }: ValuesProps) {
  const metric = question.metrics[0] as string;
  const fields = found.groups;
  const asked = [project, metric, span.fromMs, span.toMs, question.zone, JSON.stringify(question.where)];
  const top = useLoad(
    (signal) => askTop(project, question, { span, fields, total }, signal),
    [...asked, fields.join("\n"), total],
  );
  if (top.error) return <Failure tried="Loading the values" error={top.error} retry={top.again} />;
  if (!top.data) return <Loading />;
  if (top.data.length === 0) return <Nothing project={project} question={question} span={span} />;
  return (
    <>
      {top.data.map((one) => (
        <TopOf key={one.field} one={one} by={question.by} />
      ))}
    </>
  );
}

function TopOf({ one: { field, values }, by }: { one: FieldValues; by: string | null }) {
  const press = (value: Value | null, alt: boolean) => {
    if (value === null) addCondition({ field, operation: alt ? "exists" : "missing", values: [] });
    else addCondition({ field, operation: alt ? "is_not" : "is", values: [value] });
  };
  return (
    <section class="vals">
      <h3>
        <code>{field}</code>
        {by === field ? null : (
          <button
            class="btn ghost"
            type="button"
            aria-label={`Break down by ${field}`}
            onClick={() => breakDownBy(field)}
          >
            Break down
          </button>
        )}
      </h3>
      <ul>
        {values.map(({ value, count, share }) => (
          <li key={String(value)}>
            <button
              type="button"
              title="Only these; with Alt: without these"
              onClick={(event) => press(value, event.altKey)}
            >
              <span class={value === null ? "absent" : undefined}>{valueName(value)}</span>
              <b>{figure(count)}</b>
              <i>{percent(Math.min(1, share))}</i>
              <Share of={Math.min(1, share)} />
            </button>
          </li>
        ))}
      </ul>
    </section>
  );
}

function Raw({ project, question, span }: { project: string; question: Question; span: Span }) {
  const pages = usePages<EventJson>(
    (cursor, signal) => askEvents(project, question, { span, limit: PAGE, cursor }, signal),
    [project, span.fromMs, span.toMs, JSON.stringify(question.where)],
  );
  if (pages.error) return <Failure tried="Loading the events" error={pages.error} retry={pages.again} />;
  if (!pages.data) return <Loading />;
  if (pages.data.length === 0) return <Nothing project={project} question={question} span={span} />;
  return (
    <>
      <EventList project={project} events={pages.data} zone={question.zone} isShort={span.toMs - span.fromMs <= 36e5} />
      {pages.more ? (
        <button class="btn more" type="button" disabled={pages.busy} onClick={pages.next}>
          More
        </button>
      ) : null}
    </>
  );
}

/** Nothing then: where the nearest event before is. */
function Nothing({ project, question, span }: { project: string; question: Question; span: Span }) {
  const nearest = useLoad(
    (signal) => askEvents(project, question, { span: { fromMs: 0, toMs: span.fromMs }, limit: 1 }, signal),
    [project, span.fromMs, JSON.stringify(question.where)],
  );
  const event = nearest.data?.data[0];
  return (
    <div class="said">
      <p>No events then{question.where.length > 0 ? " that meet all conditions" : ""}.</p>
      {event ? (
        <button class="btn" type="button" onClick={() => goTo(Date.parse(event.timestamp))}>
          The one before: {moment(Date.parse(event.timestamp), question.zone)}
        </button>
      ) : null}
    </div>
  );
}
