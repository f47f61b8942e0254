import { count } from "../numbers.ts";
import { exactClock, shortDay } from "../time/clock.ts";
import type { Plot } from "./model.ts";
import "../settings/table.css";

const MOST_ROWS = 500;
const MOST_LINES = 40;

/** The numbers of a plot, the newest first. */
export function SeriesTable({ plot, zone }: { plot: Plot; zone: string }) {
  const lines = plot.lines.slice(0, MOST_LINES);
  const rows = plot.timesMs.map((_, i) => plot.timesMs.length - 1 - i).slice(0, MOST_ROWS);
  const left = plot.timesMs.length - rows.length;
  return (
    <div class="sheet series">
      <table class="tb">
        <caption class="sr">{plot.unit}</caption>
        <thead>
          <tr>
            <th scope="col">{plot.unit}</th>
            {lines.map((line) => (
              <th key={`${line.field} ${line.record}`} scope="col" class="n">
                {line.name}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {rows.map((at) => {
            const ms = plot.timesMs[at] as number;
            return (
              <tr key={ms}>
                <th scope="row">
                  <time dateTime={new Date(ms).toISOString()}>
                    {shortDay(ms, zone)} {exactClock(ms, zone)}
                  </time>
                </th>
                {lines.map((line) => (
                  <td key={`${line.field} ${line.record}`} class="n">
                    {line.values[at] ?? ""}
                  </td>
                ))}
              </tr>
            );
          })}
        </tbody>
      </table>
      {left > 0 || lines.length < plot.lines.length ? (
        <p class="quiet none">
          {left > 0 ? `${count(left)} earlier times` : ""}
          {left > 0 && lines.length < plot.lines.length ? " and " : ""}
          {lines.length < plot.lines.length ? `${count(plot.lines.length - lines.length)} more records` : ""} are in the
          CSV.
        </p>
      ) : null}
    </div>
  );
}
