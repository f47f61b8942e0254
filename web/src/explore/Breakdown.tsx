import { useRef } from "preact/hooks";
import { csv } from "../csv.ts";
import { count, percent } from "../numbers.ts";
import { Icon } from "../parts/Icon.tsx";
import { saveText } from "../state/download.ts";
import { moveBetweenRows, useWayToRows } from "../versions/rows.ts";
import { type Answered, MOST_GROUPS } from "./asking.ts";
import { addCondition, pick, setAll } from "./changing.ts";
import { change, figure, metricName, valueName } from "./names.ts";
import { pickedText, type Question, type Value } from "./question.ts";
import { addsUp, before, numberOf, type Row } from "./rows.ts";

/** So many lines are drawn by one click. */
export const FIRST = 5;

interface BreakdownProps {
  question: Question;
  groups: Answered;
  total: number;
}

/** Each value with its numbers. A click draws its line beside the total; the other asks about it alone. */
export function Breakdown({ question, groups, total }: BreakdownProps) {
  const by = question.by as string;
  const metric = question.metrics[0] as string;
  const { rows, meta } = groups;
  const others = question.metrics.slice(1);
  const body = useRef<HTMLTableSectionElement>(null);
  useWayToRows(body);
  const names = rows.map((row) => pickedText(row[by] as Value | null));
  return (
    <section class="doc" aria-label={`By ${by}`}>
      <div class="tree">
        <table class="tb pages">
          <thead>
            <tr>
              <th>{by}</th>
              <th class="n">{metricName(metric)}</th>
              {question.isCompared ? (
                <>
                  <th class="n">Before</th>
                  <th class="n">Change</th>
                </>
              ) : null}
              {others.map((name) => (
                <th key={name} class="n wide">
                  {metricName(name)}
                </th>
              ))}
              <th class="wide">Share</th>
              <th class="only">
                <span class="sr">Only this</span>
              </th>
            </tr>
          </thead>
          <tbody ref={body} onKeyDown={(event) => moveBetweenRows(event, body.current)}>
            {rows.map((row, i) => (
              <GroupRow key={names[i]} row={row} name={names[i] as string} question={question} total={total} />
            ))}
          </tbody>
        </table>
        {rows.length === 0 ? <p class="said">No values there.</p> : null}
      </div>
      <footer class="foot">
        <span class="quiet">
          {meta.has_more ? `The first ${count(MOST_GROUPS)} values; ` : `${count(rows.length)} values. `}
          {meta.has_more ? "others are not listed. " : ""}
          {addsUp(metric) ? "" : "Who is in two of them counts in both."}
        </span>
        <span class="grow" />
        <button class="btn ghost" type="button" onClick={() => save(question, rows)}>
          CSV
        </button>
        <button class="btn" type="button" onClick={() => setAll("s", names.slice(0, FIRST))}>
          <Icon name="chart" />
          Draw the first five
        </button>
      </footer>
    </section>
  );
}

interface RowProps {
  row: Row;
  name: string;
  question: Question;
  total: number;
}

function GroupRow({ row, name, question, total }: RowProps) {
  const by = question.by as string;
  const metric = question.metrics[0] as string;
  const value = row[by] as Value | null;
  const now = numberOf(row, metric);
  const was = before(row, metric);
  const place = question.picked.indexOf(name);
  const share = total > 0 && now !== null ? Math.min(1, now / total) : 0;
  const only = () =>
    addCondition(
      value === null
        ? { field: by, operation: "missing", values: [] }
        : { field: by, operation: "is", values: [value] },
    );
  return (
    <tr data-row aria-current={place >= 0 ? "true" : undefined}>
      <th scope="row">
        <button class="value" type="button" data-open aria-pressed={place >= 0} onClick={() => pick(name)}>
          <i class={place >= 0 ? `sw on s${(place + 1) % 6}` : "sw"} />
          <code class={value === null ? "absent" : undefined}>{valueName(value)}</code>
        </button>
      </th>
      <td class="n">
        <b>{figure(now)}</b>
      </td>
      {question.isCompared ? (
        <>
          <td class="n quiet">{figure(was)}</td>
          <td class="n">{change(now, was)}</td>
        </>
      ) : null}
      {question.metrics.slice(1).map((name) => (
        <td key={name} class="n wide">
          {typeof row[name] === "string" ? (row[name] as string) : figure(numberOf(row, name))}
        </td>
      ))}
      <td class="shr wide">
        <Share of={share} /> <span class="quiet">{percent(share)}</span>
      </td>
      <td class="only">
        <button class="btn ghost" type="button" aria-label={`Only ${valueName(value)}`} onClick={only}>
          Only
        </button>
      </td>
    </tr>
  );
}

export function Share({ of }: { of: number }) {
  return (
    <svg class="ratio" width="100%" height="4" aria-hidden="true">
      <rect class="all" width="100%" height="4" rx="2" />
      <rect class="ink-f" width={`${of * 100}%`} height="4" rx="2" />
    </svg>
  );
}

function save(question: Question, rows: readonly Row[]): void {
  const by = question.by as string;
  const cell = (value: unknown) => (typeof value === "number" ? value : value === null ? null : String(value));
  const header = [by, ...question.metrics];
  const lines = rows.map((row) => [cell(row[by] ?? null), ...question.metrics.map((name) => cell(row[name] ?? null))]);
  saveText(csv(header, lines), `${by}.csv`, "text/csv;charset=utf-8");
}
