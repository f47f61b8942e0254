/** What is filled, rather than drawn as a line: areas and bars that lie on each other, in shades of ink. */

import uPlot from "uplot";

export type Shape = "lines" | "stack" | "bars";

const STRONGEST = 0.62;
const FAINTEST = 0.1;

/** Of the line in this place of so many: the shade and the path. */
export function filled(
  shape: Shape | undefined,
  place: number,
  many: number,
  colour: (name: string) => string,
): Partial<uPlot.Series> {
  const share = shade(place, many);
  const fill = between(colour("--ink"), colour("--surface"), share);
  const stroke = colour("--surface");
  if (shape !== "bars") return { fill, stroke: many < 2 ? colour("--ink") : stroke, width: 1, dash: [] };
  const paths = uPlot.paths.bars?.({ size: [0.8, 100], align: 1 });
  return { fill, stroke: fill, width: 0, dash: [], points: { show: false }, ...(paths ? { paths } : {}) };
}

/** How much ink the area in this place has. */
export function shade(place: number, many: number): number {
  return many < 2 ? 0.3 : STRONGEST - ((STRONGEST - FAINTEST) * place) / (many - 1);
}

/** A colour between two of the form #rrggbb or #rgb. */
export function between(ink: string, ground: string, share: number): string {
  const [a, b] = [ink, ground].map(channels) as [number[], number[]];
  const mixed = a.map((value, i) => Math.round(value * share + (b[i] as number) * (1 - share)));
  return `rgb(${mixed.join(" ")})`;
}

function channels(hex: string): number[] {
  const digits = hex.slice(1);
  const all = digits.length === 3 ? [...digits].map((digit) => digit + digit).join("") : digits;
  return [0, 2, 4].map((at) => Number.parseInt(all.slice(at, at + 2), 16) || 0);
}
