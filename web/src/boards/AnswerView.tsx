import { useMemo } from "preact/hooks";
import { FlowView } from "../behaviour/FlowView.tsx";
import { flowOf, movesOf } from "../behaviour/flow.ts";
import { cohortsOf, shadeOf } from "../behaviour/triangle.ts";
import { PlotView } from "../charts/Plot.tsx";
import type { Drawing } from "../console/drawing.ts";
import { textOf } from "../console/drawing.ts";
import { Share } from "../explore/Breakdown.tsx";
import { figure, metricName } from "../explore/names.ts";
import { barsOf } from "../funnel/steps.ts";
import { percent } from "../numbers.ts";
import { zone } from "../state/zone.ts";
import { shortDay } from "../time/clock.ts";
import { columnsOf, drawn, numbersOf, type TileAnswer } from "./tiles.ts";

const MOST_ROWS = 100;
/** Of tiles of one row and of two. */
const FLOW_ROOM = [190, 510];
const nothing = () => undefined;

/** An answer in the room of a tile: as what it is. */
export function AnswerView({ answer, height }: { answer: TileAnswer; height: number }) {
  if (answer.rows.length === 0) return <p class="said quiet">Nothing in this time.</p>;
  if (answer.kind === "funnel") return <Funnel answer={answer} />;
  if (answer.kind === "retention") return <Triangle answer={answer} />;
  if (answer.kind === "paths") return <Flow answer={answer} height={height} />;
  return <Rows answer={answer} />;
}

function Rows({ answer }: { answer: TileAnswer }) {
  const drawing = useMemo(() => named(drawn(answer)), [answer]);
  const numbers = numbersOf(answer);
  if (numbers)
    return (
      <div class="figs numbers">
        {numbers.map(({ name, value }) => (
          <div key={name}>
            <b>{figure(value)}</b>
            <span>{metricName(name)}</span>
          </div>
        ))}
      </div>
    );
  if (drawing?.kind === "times")
    return (
      <PlotView
        plot={drawing.plot}
        step={false}
        fromZero
        zone={zone.value}
        sync="board"
        onGo={nothing}
        onZoom={nothing}
      />
    );
  if (drawing?.kind === "bars") {
    const most = Math.max(...drawing.rows.map(({ value }) => Math.abs(value)), 1e-300);
    return (
      <table class="tb bars-table">
        <tbody>
          {drawing.rows.slice(0, MOST_ROWS).map(({ label, value }, i) => (
            <tr key={i}>
              <th scope="row">{label === "" ? "nothing" : label}</th>
              <td class="shr">
                <Share of={Math.abs(value) / most} />
              </td>
              <td class="n">{figure(value)}</td>
            </tr>
          ))}
        </tbody>
      </table>
    );
  }
  const columns = columnsOf(answer);
  return (
    <table class="tb">
      <thead>
        <tr>
          {columns.map(({ name }) => (
            <th key={name} scope="col">
              {name}
            </th>
          ))}
        </tr>
      </thead>
      <tbody>
        {answer.rows.slice(0, MOST_ROWS).map((row, i) => (
          <tr key={i}>
            {columns.map(({ name }) => (
              <td key={name} class={typeof row[name] === "number" ? "n" : undefined}>
                {textOf(row[name]).slice(0, 200)}
              </td>
            ))}
          </tr>
        ))}
      </tbody>
    </table>
  );
}

/** With the names that the explorer has for numbers. */
function named(drawing: Drawing | null): Drawing | null {
  if (drawing?.kind !== "times") return drawing;
  return { ...drawing, plot: { ...drawing.plot, unit: metricName(drawing.plot.unit) } };
}

function Funnel({ answer }: { answer: TileAnswer }) {
  return (
    <ol class="tile-funnel">
      {barsOf(answer.rows).map((bar, i) => (
        <li key={i}>
          <span>{bar.name}</span> <b>{figure(bar.users)}</b> <span class="quiet">{percent(bar.share)}</span>
          <Share of={bar.share} />
        </li>
      ))}
    </ol>
  );
}

function Triangle({ answer }: { answer: TileAnswer }) {
  return (
    <table class="tb triangle">
      <tbody>
        {cohortsOf(answer.rows).map(({ at, size, cells }) => (
          <tr key={at}>
            <th scope="row">{shortDay(Date.parse(at), zone.value)}</th>
            <td class="n">{figure(size)}</td>
            {cells.map(({ period, share }) => (
              <td key={period} class={`n heat-${shadeOf(share)}`}>
                {percent(share)}
              </td>
            ))}
          </tr>
        ))}
      </tbody>
    </table>
  );
}

function Flow({ answer, height }: { answer: TileAnswer; height: number }) {
  const flow = useMemo(() => flowOf(movesOf(answer.rows), FLOW_ROOM[height - 1]), [answer, height]);
  const said = movesOf(answer.rows).slice(0, 5);
  return (
    <>
      <FlowView flow={flow} open={nothing} />
      <p class="sr">{said.map(({ from, to, times }) => `${from} to ${to} ${times} times`).join(", ")}</p>
    </>
  );
}
