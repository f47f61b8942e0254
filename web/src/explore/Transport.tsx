import { spanText } from "../overview/pulse.ts";
import { Icon } from "../parts/Icon.tsx";
import { Segments } from "../parts/Segments.tsx";
import { setQuery } from "../state/location.ts";
import { clock, longDay, moment, zoneName } from "../time/clock.ts";
import type { Answered } from "./asking.ts";
import { goTo } from "./changing.ts";
import { HowToSend } from "./HowToSend.tsx";
import { change, figure, metricName } from "./names.ts";
import { notes } from "./notes.ts";
import { DRAWN, eachMs, eachName, type Question, RANGES } from "./question.ts";
import { before, numberOf, type Row } from "./rows.ts";

interface TransportProps {
  question: Question;
  rows: readonly Row[];
  at: number | null;
  total: Answered | undefined;
}

/** Over the chart: the moment, what the whole comes to and how sure that is, how it is drawn, how far back. */
export function Transport({ question, rows, at, total }: TransportProps) {
  const step = (to: number) => goTo(Date.parse(rows[Math.min(rows.length - 1, Math.max(0, to))]?.time as string));
  return (
    <div class="transport">
      <div class="steps">
        <button
          class="icon"
          type="button"
          aria-label={`The ${eachName(question.each)} before`}
          disabled={rows.length === 0 || at === 0}
          onClick={() => step(at === null ? rows.length - 1 : at - 1)}
        >
          <Icon name="left" />
        </button>
        <button
          class="icon"
          type="button"
          aria-label={`The ${eachName(question.each)} after`}
          disabled={rows.length === 0 || at === rows.length - 1}
          onClick={() => step(at === null ? rows.length - 1 : at + 1)}
        >
          <Icon name="right" />
        </button>
      </div>
      {at === null ? null : <Moment question={question} ms={Date.parse(rows[at]?.time as string)} />}
      {total ? <Whole question={question} total={total} /> : <p class="pos">&nbsp;</p>}
      <Segments label="Draw" options={DRAWN} value={question.draw} choose={(name) => draw(name)} />
      <Segments
        label="Range"
        options={RANGES}
        value={question.range}
        choose={(name) => setQuery({ range: name === "7d" ? null : name, each: null, at: null })}
      />
      {question.range === null ? <Zoomed question={question} /> : null}
    </div>
  );
}

function draw(name: keyof typeof DRAWN): void {
  setQuery({ draw: name === "line" ? null : name });
}

function Moment({ question, ms }: { question: Question; ms: number }) {
  return (
    <button class="moment" type="button" title="Look at all of the range" onClick={() => goTo(null)}>
      <b>{longDay(ms, question.zone)}</b>
      {eachMs(question.each) < 864e5 ? <b class="clock">{clock(ms, question.zone)}</b> : null}
      <span>{zoneName(ms, question.zone)}</span>
      <Icon name="close" />
    </button>
  );
}

function Zoomed({ question }: { question: Question }) {
  const { fromMs, toMs } = question.span;
  return (
    <button class="btn ghost" type="button" title={spanText(question.span)} onClick={() => setQuery({ range: null })}>
      {moment(fromMs, question.zone)} to {moment(toMs, question.zone)} <span aria-hidden="true">×</span>
    </button>
  );
}

function Whole({ question, total: { rows, meta } }: { question: Question; total: Answered }) {
  const metric = question.metrics[0] as string;
  const now = numberOf(rows[0], metric);
  const was = before(rows[0], metric);
  return (
    <p class="pos">
      <b>{typeof rows[0]?.[metric] === "string" ? (rows[0][metric] as string) : figure(now)}</b>{" "}
      {metricName(metric).toLowerCase()}
      {question.isCompared ? (
        <>
          , before {figure(was)}
          {change(now, was) ? (
            <>
              , <b>{change(now, was)}</b>
            </>
          ) : null}
        </>
      ) : null}
      <span>
        {question.span.toMs > Date.now() ? ` · the last ${eachName(question.each)} still runs` : ""}
        {notes(meta, question.metrics)}
      </span>
    </p>
  );
}

/** Nothing but the numbers, large. */
export function BigNumber({ question, total }: { question: Question; total: Answered | undefined }) {
  const row = total?.rows[0];
  return (
    <div class="figs numbers">
      {question.metrics.map((name) => (
        <div key={name}>
          <b>{typeof row?.[name] === "string" ? (row[name] as string) : figure(numberOf(row, name))}</b>
          <span>
            {metricName(name)}
            {question.isCompared
              ? `, before ${figure(before(row, name))} ${change(numberOf(row, name), before(row, name))}`
              : ""}
          </span>
        </div>
      ))}
    </div>
  );
}

export function NoEvents({ project }: { project: string }) {
  return (
    <div class="none">
      <p>No events in this time. What programs send with a write key or an API key is drawn here as it comes.</p>
      <HowToSend project={project} />
    </div>
  );
}
