/** The line that is hovered, drawn dark over the others: as one path above the canvas, which stays as it is. */

import type uPlot from "uplot";
import type { Plot } from "./model.ts";

const SVG = "http://www.w3.org/2000/svg";

export class DarkLine {
  private plot: uPlot | null = null;
  private path: SVGPathElement | null = null;
  private shown = -1;

  constructor(
    private readonly data: Plot,
    private readonly step: boolean,
  ) {}

  begin(plot: uPlot): void {
    const svg = document.createElementNS(SVG, "svg");
    svg.setAttribute("class", "dark");
    svg.setAttribute("aria-hidden", "true");
    this.path = document.createElementNS(SVG, "path");
    svg.append(this.path);
    plot.over.append(svg);
    this.plot = plot;
  }

  /** Of the line of this number; none of -1. */
  show(line: number): void {
    if (line === this.shown) return;
    this.shown = line;
    this.redraw();
  }

  /** The scales have changed. */
  redraw(): void {
    const { plot } = this;
    const line = this.data.lines[this.shown];
    if (!plot || !this.path) return;
    const x = (ms: number) => plot.valToPos(ms / 1000, "x");
    const y = (value: number) => plot.valToPos(value, "y");
    this.path.setAttribute("d", line ? pathOf(this.data.timesMs, line.values, { x, y, step: this.step }) : "");
  }
}

interface Drawing {
  x: (ms: number) => number;
  y: (value: number) => number;
  step: boolean;
}

/** The path of a line in pixels, broken where it has no value. */
export function pathOf(
  timesMs: readonly number[],
  values: readonly (number | null)[],
  { x, y, step }: Drawing,
): string {
  const parts: string[] = [];
  let before: number | null = null;
  for (const [i, ms] of timesMs.entries()) {
    const value = values[i] ?? null;
    const at = x(ms).toFixed(1);
    if (step && before !== null) parts.push(`H${at}`);
    if (value !== null) {
      const height = y(value).toFixed(1);
      parts.push(before === null ? `M${at} ${height}` : step ? `V${height}` : `L${at} ${height}`);
      if (before === null && (values[i + 1] ?? null) === null) parts.push("h0"); // a point alone is seen by its round ends
    }
    before = value;
  }
  return parts.join("");
}
