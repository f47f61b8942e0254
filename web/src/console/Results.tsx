import { useMemo, useState } from "preact/hooks";
import { PlotView } from "../charts/Plot.tsx";
import { csv } from "../csv.ts";
import { Share } from "../explore/Breakdown.tsx";
import { figure } from "../explore/names.ts";
import { count, counted } from "../numbers.ts";
import { Icon } from "../parts/Icon.tsx";
import { Segments } from "../parts/Segments.tsx";
import { saveText } from "../state/download.ts";
import { zone } from "../state/zone.ts";
import { type Drawing, drawingOf, textOf } from "./drawing.ts";
import type { Result } from "./schema.ts";

/** Rows that are drawn at first: thousands of them take a moment. */
const FIRST = 200;
const LONGEST = 300;

export function Results({ result }: { result: Result }) {
  const [shape, setShape] = useState<"table" | "chart">("table");
  const [most, setMost] = useState(FIRST);
  const drawing = useMemo(() => drawingOf(result.columns, result.rows), [result]);
  const shown = drawing === null ? "table" : shape;
  return (
    <section class="doc" aria-label="Result">
      <div class="bar">
        <h2>{counted(result.rows.length, "row")}</h2>
        <span class="quiet">
          {result.truncated ? "the first of more; " : ""}
          {count(result.meta.rows_scanned)} read in {count(Math.round(result.meta.took_ms))} ms
        </span>
        <span class="grow" />
        {drawing ? (
          <Segments label="Show as" options={{ table: "Table", chart: "Chart" }} value={shown} choose={setShape} />
        ) : null}
        <button class="btn" type="button" onClick={() => saveCsv(result)}>
          <Icon name="download" />
          CSV
        </button>
        <button class="btn" type="button" onClick={() => saveJson(result)}>
          JSON
        </button>
      </div>
      {shown === "chart" && drawing ? (
        <Drawn drawing={drawing} />
      ) : (
        // biome-ignore lint/a11y/noNoninteractiveTabindex: long ones scroll
        <section class="tree" tabIndex={0} aria-label="Rows">
          <table class="tb">
            <thead>
              <tr>
                {result.columns.map(({ name, type }) => (
                  <th key={name} class={typeof result.rows[0]?.[name] === "number" ? "n" : undefined} title={type}>
                    {name}
                  </th>
                ))}
              </tr>
            </thead>
            <tbody>
              {result.rows.slice(0, most).map((row, i) => (
                <tr key={i}>
                  {result.columns.map(({ name }) => (
                    <Cell key={name} value={row[name]} />
                  ))}
                </tr>
              ))}
            </tbody>
          </table>
          {result.rows.length > most ? (
            <button class="btn more" type="button" onClick={() => setMost(most + 1000)}>
              {count(result.rows.length - most)} more rows
            </button>
          ) : null}
        </section>
      )}
    </section>
  );
}

function Cell({ value }: { value: unknown }) {
  if (value === null || value === undefined) return <td class="quiet">null</td>;
  const text = textOf(value);
  return (
    <td class={typeof value === "number" ? "n" : undefined} title={text.length > LONGEST ? text : undefined}>
      {text.length > LONGEST ? `${text.slice(0, LONGEST)}…` : text}
    </td>
  );
}

function Drawn({ drawing }: { drawing: Drawing }) {
  if (drawing.kind === "times")
    return (
      <PlotView
        plot={drawing.plot}
        step={false}
        fromZero
        zone={zone.value}
        sync="sql"
        onGo={() => undefined}
        onZoom={() => undefined}
      />
    );
  const most = Math.max(...drawing.rows.map(({ value }) => Math.abs(value)), 1e-300);
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: long ones scroll
    <section class="tree" tabIndex={0} aria-label={`${drawing.value} by ${drawing.label}`}>
      <table class="tb bars-table">
        <tbody>
          {drawing.rows.map(({ label, value }, i) => (
            <tr key={i}>
              <th scope="row">{label}</th>
              <td class="shr">
                <Share of={Math.abs(value) / most} />
              </td>
              <td class="n">{figure(value)}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </section>
  );
}

function saveCsv({ columns, rows }: Result): void {
  const cell = (value: unknown) => (typeof value === "number" || value === null ? value : textOf(value));
  const lines = rows.map((row) => columns.map(({ name }) => cell(row[name] ?? null)));
  const header = columns.map(({ name }) => name);
  saveText(csv(header, lines), "result.csv", "text/csv;charset=utf-8");
}

function saveJson({ rows }: Result): void {
  saveText(JSON.stringify(rows, null, 1), "result.json", "application/json");
}
