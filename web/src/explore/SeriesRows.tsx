import { moment } from "../time/clock.ts";
import { goTo } from "./changing.ts";
import { change, figure, metricName } from "./names.ts";
import type { Question } from "./question.ts";
import { before, numberOf, type Row } from "./rows.ts";

/** The buckets as a table, newest first; a row is looked into. */
export function SeriesRows({ question, rows, at }: { question: Question; rows: readonly Row[]; at: number | null }) {
  const first = question.metrics[0] as string;
  const shown = rows.map((row, i) => ({ row, i })).reverse();
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: long ones scroll
    <section class="tree buckets" tabIndex={0} aria-label="As a table">
      <table class="tb">
        <thead>
          <tr>
            <th>When</th>
            {question.metrics.map((name) => (
              <th key={name} class="n">
                {metricName(name)}
              </th>
            ))}
            {question.isCompared ? (
              <>
                <th class="n">Before</th>
                <th class="n">Change</th>
              </>
            ) : null}
          </tr>
        </thead>
        <tbody>
          {shown.map(({ row, i }) => {
            const ms = Date.parse(row.time as string);
            return (
              <tr key={ms} aria-current={i === at ? "true" : undefined}>
                <th scope="row">
                  <button class="value" type="button" onClick={() => goTo(ms)}>
                    {moment(ms, question.zone)}
                  </button>
                </th>
                {question.metrics.map((name) => (
                  <td key={name} class="n">
                    {typeof row[name] === "string" ? (row[name] as string) : figure(numberOf(row, name))}
                  </td>
                ))}
                {question.isCompared ? (
                  <>
                    <td class="n quiet">{figure(before(row, first))}</td>
                    <td class="n">{change(numberOf(row, first), before(row, first))}</td>
                  </>
                ) : null}
              </tr>
            );
          })}
        </tbody>
      </table>
    </section>
  );
}
