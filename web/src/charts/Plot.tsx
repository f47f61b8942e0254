import { useEffect, useRef } from "preact/hooks";
import uPlot from "uplot";
import "uplot/dist/uPlot.min.css";
import { theme } from "../state/theme.ts";
import { clock, exactClock, moment, plainDay } from "../time/clock.ts";
import { DarkLine } from "./darkline.ts";
import { drawMarks, type Mark } from "./marks.ts";
import { MANY, nearestLine, type Plot, quartiles, stacked } from "./model.ts";
import { filled, type Shape } from "./shapes.ts";

/** In CSS pixels of the plot's box, and the times at both ends. */
export interface Placed {
  left: number;
  width: number;
  fromMs: number;
  toMs: number;
}

export interface PlotProps {
  plot: Plot;
  step: boolean;
  zone: string;
  /** Plots with one name share their cursor. */
  sync: string;
  /** Areas or bars on each other; lines if nothing is said. */
  shape?: Shape;
  /** The line of nothing is in sight. */
  fromZero?: boolean;
  /** Times that are marked. */
  marks?: readonly Mark[];
  /** Says where the axis is, whenever that changes. */
  onPlaced?: (placed: Placed) => void;
  onGo: (ms: number) => void;
  onZoom: (fromMs: number, toMs: number) => void;
}

const HEIGHT = 220;
/** Below so many pixels the numbers beside the plot leave it more room. */
const NARROW = 480;
/** In this order, each with its own dash, since colour alone says nothing to some. */
export const BEFORE = [1.5, 3];
export const DASHES = [[], [8, 3], [2, 3], [8, 3, 2, 3], [12, 4], [4, 4]];

/** One plot of one unit. A click goes to the moment, a drag zooms. */
export function PlotView(props: PlotProps) {
  const { plot, step, zone } = props;
  const box = useRef<HTMLDivElement>(null);
  const told = useRef<HTMLParagraphElement>(null);
  const handlers = useRef(props);
  handlers.current = props;
  const look = theme.value;
  const { shape, marks } = props;
  const drawn = useRef<uPlot | null>(null);
  useEffect(() => {
    const element = box.current;
    if (!element) return;
    const say = (text: string) => {
      if (told.current) told.current.textContent = text;
    };
    const shown = isFilled(shape) ? stacked(plot) : plot;
    const dark = new DarkLine(shown, step);
    const made = new uPlot(optionsOf(element, handlers, { say, dark, shown }), dataOf(shown), element);
    drawn.current = made;
    dark.begin(made);
    const fit = new ResizeObserver(() => made.setSize({ width: element.clientWidth, height: HEIGHT }));
    fit.observe(element);
    return () => {
      fit.disconnect();
      made.destroy();
      drawn.current = null;
    };
  }, [plot, step, zone, look, shape]);
  useEffect(() => drawn.current?.redraw(false), [marks]);
  return (
    <figure class="plot">
      <figcaption>
        <b>{plot.unit}</b>
        <p ref={told} class="quiet" />
      </figcaption>
      <div ref={box} class="plot-box" />
    </figure>
  );
}

function dataOf(plot: Plot): uPlot.AlignedData {
  const times = plot.timesMs.map((ms) => ms / 1000);
  const lines = plot.lines.map((line) => [...line.values]);
  if (plot.lines.length <= MANY) return [times, ...lines];
  const { low, middle, high } = quartiles(plot);
  return [times, ...lines, low, high, middle]; // the median last: the band is filled when its edge is drawn
}

interface Hovering {
  say: (text: string) => void;
  dark: DarkLine;
  /** As it is drawn: on each other, where that is asked for. */
  shown: Plot;
}

function isFilled(shape: Shape | undefined): boolean {
  return shape === "stack" || shape === "bars";
}

function optionsOf(element: HTMLElement, props: { current: PlotProps }, hovering: Hovering): uPlot.Options {
  const { plot, step, zone, sync, shape, fromZero } = props.current;
  const colour = (name: string) => getComputedStyle(element).getPropertyValue(name).trim();
  const many = plot.lines.length > MANY;
  const paths = step ? uPlot.paths.stepped?.({ align: 1 }) : uPlot.paths.linear?.();
  const axis = {
    stroke: colour("--ink-3"),
    grid: { stroke: colour("--line"), width: 1 },
    ticks: { show: false },
    font: "11px system-ui",
  };
  const drawn = { ...(paths ? { paths } : {}), points: { show: plot.timesMs.length === 1 } };
  const lines = plot.lines.map((line, i) => ({
    ...drawn,
    label: line.name,
    spanGaps: false,
    stroke: many ? colour("--line-strong") : colour(line.isBefore ? "--ink-3" : `--series-${(i % 6) + 1}`),
    width: many ? 0.7 : 1.4,
    dash: many ? [] : line.isBefore ? BEFORE : (DASHES[i % DASHES.length] ?? []),
    ...(isFilled(shape) && !line.isBefore ? filled(shape, i, plot.lines.length, colour) : {}),
  }));
  const band = many ? bandOf(drawn, colour) : [];
  const first = plot.lines.length + 1;
  return {
    width: element.clientWidth,
    height: HEIGHT,
    legend: { show: false },
    tzDate: (s) => uPlot.tzDate(new Date(s * 1000), zone),
    cursor: {
      sync: { key: sync },
      drag: { x: true, y: false, setScale: false },
      points: { show: !many },
      bind: { dblclick: () => null },
    },
    series: [{}, ...lines, ...band],
    ...(fromZero ? { scales: { y: { range: (_u: uPlot, least: number, most: number) => reach(least, most) } } } : {}),
    ...(many ? { bands: [{ series: [first + 1, first], fill: colour("--hover") }] } : {}),
    axes: [
      {
        ...axis,
        size: 26,
        values: (_plot, splits, _axis, _space, every) => labels(splits, every, zone),
      },
      { ...axis, size: element.clientWidth < NARROW ? 46 : 64 },
    ],
    hooks: {
      setCursor: [(u) => hovered(u, plot, zone, hovering)],
      draw: [
        () => hovering.dark.redraw(),
        (u) => drawMarks(u, props.current.marks ?? [], colour),
        (u) => place(u, props.current),
      ],
      setSelect: [(u) => selected(u, props.current)],
      ready: [(u) => clicks(u, props)],
    },
  } as uPlot.Options;
}

function bandOf(drawn: object, colour: (name: string) => string): object[] {
  const edge = { ...drawn, stroke: colour("--ink-3"), width: 0.8, dash: [3, 3] };
  return [edge, edge, { ...drawn, stroke: colour("--ink"), width: 1.6 }];
}

/** Those that would say the same as the one before say nothing: several within one second. */
function labels(splits: number[], everyS: number, zone: string): string[] {
  const texts = splits.map((second) => tick(second * 1000, everyS, zone));
  return texts.map((text, i) => (text === texts[i - 1] ? "" : text));
}

function tick(ms: number, everyS: number, zone: string): string {
  if (everyS < 60) return exactClock(ms, zone);
  return everyS >= 86_400 ? plainDay(ms, zone) : clock(ms, zone) === "00:00" ? plainDay(ms, zone) : clock(ms, zone);
}

/** From nothing on, with room above. */
function reach(least: number, most: number): [number, number] {
  const high = Number.isFinite(most) && most > 0 ? most * 1.06 : 1;
  return [Math.min(0, least ?? 0), high];
}

function place(u: uPlot, { onPlaced }: PlotProps): void {
  const { min, max } = u.scales.x ?? {};
  if (!onPlaced || typeof min !== "number" || typeof max !== "number") return;
  const [left, width] = [u.bbox.left, u.bbox.width].map((px) => px / devicePixelRatio) as [number, number];
  onPlaced({ left, width, fromMs: min * 1000, toMs: max * 1000 });
}

/** Says what stands under the pointer, the moment and the line that is nearest to it, and draws that line dark. */
function hovered(u: uPlot, plot: Plot, zone: string, { say, dark, shown }: Hovering): void {
  const at = u.cursor.idx;
  if (at === null || at === undefined) {
    dark.show(-1);
    say("");
    return;
  }
  const when = moment((plot.timesMs[at] ?? 0) as number, zone);
  const nearest = nearestLine(shown, at, u.posToVal(u.cursor.top ?? 0, "y"));
  const line = plot.lines[nearest];
  dark.show(plot.lines.length > 1 && shown === plot ? nearest : -1);
  say(line ? `${when}: ${line.name} ${line.values[at]}` : when);
}

function selected(u: uPlot, props: PlotProps): void {
  const { left, width } = u.select;
  if (width < 4) return;
  props.onZoom(u.posToVal(left, "x") * 1000, u.posToVal(left + width, "x") * 1000);
  u.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
}

function clicks(u: uPlot, props: { current: PlotProps }): void {
  let downX = 0;
  u.over.addEventListener("mousedown", (event) => {
    downX = event.clientX;
  });
  u.over.addEventListener("click", (event) => {
    const at = u.cursor.idx;
    const ms = at === null || at === undefined ? undefined : props.current.plot.timesMs[at];
    if (ms !== undefined && Math.abs(event.clientX - downX) < 4) props.current.onGo(ms);
  });
}
