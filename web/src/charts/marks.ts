/** Times that are marked on a plot: the moment that is looked at, and what people noted. */

import type uPlot from "uplot";

export interface Mark {
  ms: number;
  /** The moment is a needle, a note a flag with a letter. */
  kind: "moment" | "note";
  letter?: string;
  /** Where its stretch ends. */
  toMs?: number | null;
  isStrong?: boolean;
}

/** Half of a flag's width. */
const HALF = 7;
/** Flags that would lie on each other stand below each other, in so many rows. */
const ROWS = 3;

export function drawMarks(u: uPlot, marks: readonly Mark[], colour: (name: string) => string): void {
  const { ctx, bbox } = u;
  const px = devicePixelRatio;
  const ends: number[] = [];
  for (const mark of marks) {
    const x = u.valToPos(mark.ms / 1000, "x", true);
    if (mark.toMs) stretch(ctx, bbox, [x, u.valToPos(mark.toMs / 1000, "x", true)], colour);
    if (x < bbox.left - 1 || x > bbox.left + bbox.width + 1) continue;
    ctx.save();
    if (mark.kind === "moment") needle(ctx, { x, top: bbox.top, bottom: bbox.top + bbox.height, px }, colour);
    else {
      const row = rowOf(x, ends, 2 * HALF * px);
      const top = bbox.top + row * (2 * HALF + 2) * px;
      flag(ctx, { x, top, bottom: bbox.top + bbox.height, px }, mark, colour);
    }
    ctx.restore();
  }
}

/** The first row in which nothing stands at `x` yet; `ends` are where each row's last flag ends. */
export function rowOf(x: number, ends: number[], wide: number): number {
  const free = Array.from({ length: ROWS }, (_, row) => row).find((row) => (ends[row] ?? -Infinity) < x - wide / 2);
  const row = free ?? 0;
  ends[row] = x + wide / 2;
  return row;
}

/** A shade over the time that something took. */
function stretch(
  ctx: CanvasRenderingContext2D,
  bbox: uPlot.BBox,
  [from, to]: [number, number],
  colour: (name: string) => string,
): void {
  const left = Math.max(bbox.left, from);
  const right = Math.min(bbox.left + bbox.width, to);
  if (right <= left) return;
  ctx.save();
  ctx.globalAlpha = 0.07;
  ctx.fillStyle = colour("--ink");
  ctx.fillRect(left, bbox.top, right - left, bbox.height);
  ctx.restore();
}

interface Place {
  x: number;
  top: number;
  bottom: number;
  px: number;
}

function needle(ctx: CanvasRenderingContext2D, { x, top, bottom, px }: Place, colour: (name: string) => string): void {
  ctx.strokeStyle = colour("--moment-edge");
  ctx.fillStyle = colour("--moment");
  ctx.lineWidth = 1.5 * px;
  ctx.setLineDash([]);
  line(ctx, x, top, bottom);
  ctx.beginPath();
  ctx.moveTo(x - 6 * px, top);
  ctx.lineTo(x + 6 * px, top);
  ctx.lineTo(x + 6 * px, top + 8 * px);
  ctx.lineTo(x, top + 13 * px);
  ctx.lineTo(x - 6 * px, top + 8 * px);
  ctx.closePath();
  ctx.fill();
  ctx.lineWidth = px;
  ctx.stroke();
}

function flag(
  ctx: CanvasRenderingContext2D,
  { x, top, bottom, px }: Place,
  { letter = "", isStrong = false }: Mark,
  colour: (name: string) => string,
): void {
  ctx.strokeStyle = colour("--control");
  ctx.lineWidth = px;
  ctx.setLineDash([px, 3 * px]);
  line(ctx, x, top, bottom);
  ctx.setLineDash([]);
  ctx.fillStyle = colour(isStrong ? "--ink" : "--surface");
  ctx.fillRect(x - HALF * px, top, 2 * HALF * px, 2 * HALF * px);
  ctx.strokeRect(x - HALF * px, top, 2 * HALF * px, 2 * HALF * px);
  ctx.fillStyle = colour(isStrong ? "--ink-inverse" : "--ink-2");
  ctx.font = `600 ${9 * px}px system-ui`;
  ctx.textAlign = "center";
  ctx.textBaseline = "middle";
  ctx.fillText(letter, x, top + HALF * px);
}

function line(ctx: CanvasRenderingContext2D, x: number, top: number, bottom: number): void {
  ctx.beginPath();
  ctx.moveTo(x, top);
  ctx.lineTo(x, bottom);
  ctx.stroke();
}
