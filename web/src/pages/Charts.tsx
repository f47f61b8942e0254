import { useMemo } from "preact/hooks";
import { ofFields } from "../anomalies/data.ts";
import { Marked, marksOf, within } from "../anomalies/Marked.tsx";
import type { Anomaly } from "../anomalies/places.ts";
import { get } from "../api.ts";
import { FieldChips } from "../charts/FieldChips.tsx";
import { loadSeries } from "../charts/load.ts";
import { hasNumbers, MANY, type Plot, plotsOf } from "../charts/model.ts";
import { type PlotProps, PlotView } from "../charts/Plot.tsx";
import { RecordsPick } from "../charts/RecordsPick.tsx";
import { SeriesTable } from "../charts/SeriesTable.tsx";
import { csv } from "../csv.ts";
import { count } from "../numbers.ts";
import { spanOf, spanText } from "../overview/pulse.ts";
import { EndpointHead } from "../parts/EndpointHead.tsx";
import { Failure } from "../parts/Failure.tsx";
import { Icon } from "../parts/Icon.tsx";
import { Loading } from "../parts/Loading.tsx";
import { NothingChanged } from "../parts/NothingChanged.tsx";
import { Segments } from "../parts/Segments.tsx";
import type { PageProps } from "../routes.ts";
import { saveText } from "../state/download.ts";
import { useLoad } from "../state/load.ts";
import { at, go, path, query, setQuery } from "../state/location.ts";
import { zone } from "../state/zone.ts";
import "../anomalies/anomalies.css";
import "../charts/charts.css";
import "../settings/settings.css";

const FORMS = { line: "Lines", step: "Steps", table: "Table" } as const;
type Shape = keyof typeof FORMS;
/** A field that changes in so large a share of all versions changes in each. */
const EACH = 0.95;

export default function Charts({ params }: PageProps) {
  const [project, endpoint] = [params.project as string, params.endpoint as string];
  const asked = query.value;
  const chosen = asked.getAll("f").filter(Boolean);
  const records = asked.get("records");
  const only = records === null || records === "all" ? [] : records.split(",").map(decodeURIComponent);
  const span = spanOf(asked.get("range"));
  const shape: Shape = (asked.get("as") ?? "step") in FORMS ? ((asked.get("as") ?? "step") as Shape) : "step";
  const fields = useLoad(
    (signal) =>
      get("/v1/endpoints/{endpoint}/fields", { in: project, path: { endpoint }, query: { limit: 200 }, signal }),
    [project, endpoint],
  );
  const found = (fields.data?.data ?? []).filter((field) => field.types.includes("number"));
  const numeric = found.map((field) => field.path);
  const shown = chosen.length > 0 ? chosen : usual(found);
  const series = useLoad(
    (signal) =>
      Promise.all(
        shown.map((pattern) =>
          loadSeries(
            project,
            endpoint,
            { path: pattern, records: only, fromMs: span?.fromMs ?? null, toMs: span?.toMs ?? null },
            signal,
          ),
        ),
      ),
    [project, endpoint, shown.join("\n"), records, asked.get("range")],
  );
  const unusual = useLoad((signal) => ofFields(project, endpoint, signal), [project, endpoint]);
  const array = arrayOf(shown);
  const plots = useMemo(() => plotsOf(series.data ?? []), [series.data]);
  const base = at("p", project, "e", endpoint);
  return (
    <main id="main" class="wrap settings charts-page">
      <EndpointHead project={project} endpoint={endpoint} section="charts">
        <Segments
          label="Draw as"
          options={FORMS}
          value={shape}
          choose={(name) => setQuery({ as: name === "step" ? null : name })}
        />
        <button class="btn" type="button" disabled={plots.length === 0} onClick={() => download(endpoint, plots)}>
          <Icon name="download" />
          CSV
        </button>
      </EndpointHead>
      <FieldChips fields={numeric} shown={shown} change={(next) => setFields(next)} />
      {array === null ? null : (
        <RecordsPick
          project={project}
          endpoint={endpoint}
          array={array}
          chosen={only}
          choose={(next) => setQuery({ records: next.map(encodeURIComponent).join(",") })}
        />
      )}
      {span || only.length > 0 ? <Narrowed records={only.length} zoomed={span !== null} /> : null}
      {fields.error ? <Failure tried="Looking for fields" error={fields.error} retry={fields.again} /> : null}
      {series.error ? <Failure tried="Loading the numbers" error={series.error} retry={series.again} /> : null}
      {series.busy || fields.busy ? <Loading /> : null}
      {plots.filter(hasNumbers).map((plot) => (
        <div key={plot.unit}>
          {shape === "table" ? (
            <SeriesTable plot={plot} zone={zone.value} />
          ) : (
            <MarkedPlot
              anomalies={unusual.data ?? []}
              plot={plot}
              step={shape === "step"}
              zone={zone.value}
              sync={`${project} ${endpoint}`}
              onGo={(ms) => go(`${base}?at=${new Date(ms).toISOString()}`)}
              onZoom={(fromMs, toMs) =>
                setQuery({ range: spanText({ fromMs: Math.round(fromMs), toMs: Math.round(toMs) }) })
              }
            />
          )}
          <PlotNote plot={plot} />
        </div>
      ))}
      {!series.busy && !fields.busy && !series.error && !fields.error && !plots.some(hasNumbers) ? (
        only.length > 0 && numeric.length > 0 ? (
          <NoSuchRecords count={only.length} zoomed={span !== null} />
        ) : numeric.length === 0 ? (
          <NothingChanged
            project={project}
            endpoint={endpoint}
            says="No number of this document has changed yet: fields whose numbers change are drawn here."
          />
        ) : (
          <p class="none">No numbers there: choose a field above.</p>
        )
      ) : null}
    </main>
  );
}

/** A plot with flags where its fields were unusual, and what they stand for. */
function MarkedPlot({ anomalies, ...props }: { anomalies: readonly Anomaly[] } & Omit<PlotProps, "marks">) {
  const { plot } = props;
  const marked = useMemo(
    () => within(anomalies, [...new Set(plot.lines.map((line) => line.field))], plot.timesMs),
    [anomalies, plot],
  );
  const marks = useMemo(() => marksOf(marked), [marked]);
  return (
    <>
      <PlotView {...props} marks={marks} />
      <Marked anomalies={marked} />
    </>
  );
}

/** What is drawn unasked: a number of the document itself that is no mere counter or time of each version. */
function usual(found: readonly { path: string; share_of_deltas: number }[]): string[] {
  const single = found.filter((field) => !field.path.includes("*"));
  const first = single.find((field) => field.share_of_deltas < EACH) ?? single[0] ?? found[0];
  return first ? [first.path] : [];
}

/** The array or map whose records all of the fields are of; null where they are of several, or of none. */
function arrayOf(patterns: readonly string[]): string | null {
  const arrays = new Set(
    patterns.map((pattern) => (pattern.includes("/*") ? pattern.slice(0, pattern.lastIndexOf("/*")) : null)),
  );
  const [array = null] = arrays;
  return arrays.size === 1 && array !== null && !array.includes("/*") ? array : null;
}

/** One `f` a field in the address. */
function setFields(paths: readonly string[]): void {
  const next = new URLSearchParams(query.value);
  next.delete("f");
  for (const each of paths) next.append("f", each);
  go(next.size > 0 ? `${path.value}?${next}` : path.value);
}

/** What a link to records says that had no numbers, or never were. */
function NoSuchRecords({ count: many, zoomed }: { count: number; zoomed: boolean }) {
  return (
    <div class="none">
      <p>
        {many === 1
          ? "The chosen record has no numbers here"
          : `None of the ${count(many)} chosen records has numbers here`}
        {zoomed ? ", in the time that is zoomed into" : ": no version has had one of that name with this field"}.
      </p>
      <button class="btn" type="button" onClick={() => setQuery({ records: null })}>
        Show all records
      </button>
    </div>
  );
}

function Narrowed({ records, zoomed }: { records: number; zoomed: boolean }) {
  return (
    <p class="narrowed">
      {records > 0 ? (
        <button class="btn ghost" type="button" onClick={() => setQuery({ records: null })}>
          {records === 1 ? "One record" : `${records} records`} <span aria-hidden="true">×</span>
          <span class="sr">: show all</span>
        </button>
      ) : null}
      {zoomed ? (
        <button class="btn ghost" type="button" onClick={() => setQuery({ range: null })}>
          Zoomed <span aria-hidden="true">×</span>
          <span class="sr">: show all of time</span>
        </button>
      ) : null}
    </p>
  );
}

/** What a drawing leaves out is counted beside it. */
function PlotNote({ plot }: { plot: Plot }) {
  const notes = [
    plot.lines.length > MANY ? `${count(plot.lines.length)} records, with the median and the quartiles around it` : "",
    plot.leftOff > 0 ? `${count(plot.leftOff)} records are not drawn` : "",
  ].filter(Boolean);
  return notes.length > 0 ? <p class="quiet note-line">{notes.join("; ")}</p> : null;
}

function download(endpoint: string, plots: readonly Plot[]): void {
  const header = ["time", "field", "record", "label", "value"];
  const rows = plots.flatMap((plot) =>
    plot.lines.flatMap((line) =>
      plot.timesMs.flatMap((ms, i) => {
        const value = line.values[i] ?? null;
        return value === null ? [] : [[new Date(ms).toISOString(), line.field, line.record, line.name, value]];
      }),
    ),
  );
  saveText(csv(header, rows), `${endpoint}.csv`, "text/csv;charset=utf-8");
}
