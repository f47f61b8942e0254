/** Numbers of a document over time, as they are drawn: plots by unit, a line a record, quartiles of many. */

export interface Series {
  /** Key path of the record; null of a field that is in none. */
  record: string | null;
  label: string;
  /** One a time; null where the field was not there or is no number. */
  values: readonly (number | null)[];
}

export interface FieldSeries {
  path: string;
  timesMs: readonly number[];
  /** By version: where a click goes. */
  series: readonly Series[];
  /** Records that the answer has no room for. */
  leftOff: number;
}

/** From so many lines on the quartiles are drawn, and the lines faintly. */
export const MANY = 30;

export interface Line {
  /** Names it in the table and beside the pointer. */
  name: string;
  field: string;
  record: string | null;
  values: readonly (number | null)[];
  /** Of the time before, drawn beside: it lies on no other. */
  isBefore?: boolean;
}

export interface Plot {
  unit: string;
  timesMs: readonly number[];
  lines: readonly Line[];
  leftOff: number;
}

/** Whether there is something to draw: a record that never was has a line of nothing. */
export function hasNumbers({ lines }: Plot): boolean {
  return lines.some(({ values }) => values.some((value) => value !== null));
}

/** What is measured: the last step of the path. Fields of one name share a plot, for their numbers can be compared. */
export function unitOf(path: string): string {
  const steps = path.split("/").filter((step) => step !== "" && step !== "*");
  return readable(steps.at(-1) ?? "value");
}

function readable(step: string): string {
  return step.replaceAll("~1", "/").replaceAll("~0", "~");
}

export function plotsOf(fields: readonly FieldSeries[]): Plot[] {
  const byUnit = new Map<string, FieldSeries[]>();
  for (const field of fields) {
    const unit = unitOf(field.path);
    byUnit.set(unit, [...(byUnit.get(unit) ?? []), field]);
  }
  return [...byUnit].map(([unit, group]) => joined(unit, group));
}

/** Series of several fields on the times of all of them. */
function joined(unit: string, group: readonly FieldSeries[]): Plot {
  const timesMs = [...new Set(group.flatMap((field) => field.timesMs))].sort((a, b) => a - b);
  const lines = group.flatMap((field) => {
    const places = new Map(field.timesMs.map((ms, i) => [ms, i]));
    return field.series.map((one) => ({
      name: nameOf(field.path, one, group.length > 1),
      field: field.path,
      record: one.record,
      values: timesMs.map((ms) => one.values[places.get(ms) ?? -1] ?? null),
    }));
  });
  return { unit, timesMs, lines, leftOff: group.reduce((sum, field) => sum + field.leftOff, 0) };
}

function nameOf(path: string, one: Series, several: boolean): string {
  const field = readable(path.slice(1));
  if (one.record === null) return field;
  const name = one.label || one.record;
  return several ? `${name} (${field})` : name;
}

export interface Band {
  low: (number | null)[];
  middle: (number | null)[];
  high: (number | null)[];
}

/** The quartiles of all lines at each time. */
export function quartiles(plot: Plot): Band {
  const band: Band = { low: [], middle: [], high: [] };
  for (let i = 0; i < plot.timesMs.length; i += 1) {
    const values = plot.lines.map((line) => line.values[i] ?? null).filter((value) => value !== null);
    values.sort((a, b) => a - b);
    band.low.push(quantile(values, 0.25));
    band.middle.push(quantile(values, 0.5));
    band.high.push(quantile(values, 0.75));
  }
  return band;
}

function quantile(sorted: readonly number[], share: number): number | null {
  if (sorted.length === 0) return null;
  const place = (sorted.length - 1) * share;
  const low = sorted[Math.floor(place)] as number;
  const high = sorted[Math.ceil(place)] as number;
  return low + (high - low) * (place - Math.floor(place));
}

/** The place in `timesMs` that is nearest to a time. */
export function nearestTime(timesMs: readonly number[], ms: number): number {
  let low = 0;
  let high = timesMs.length - 1;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((timesMs[middle] as number) < ms) low = middle + 1;
    else high = middle;
  }
  const before = timesMs[low - 1];
  return before !== undefined && ms - before < (timesMs[low] as number) - ms ? low - 1 : low;
}

/** The line whose value at a time is nearest to a value, of those that have one; -1 of none. */
export function nearestLine(plot: Plot, at: number, value: number): number {
  let found = -1;
  let least = Number.POSITIVE_INFINITY;
  for (const [i, line] of plot.lines.entries()) {
    const own = line.values[at] ?? null;
    if (own !== null && Math.abs(own - value) < least) {
      least = Math.abs(own - value);
      found = i;
    }
  }
  return found;
}

/** Each line with all behind it below it: the first is the highest, and is painted over by the next. */
export function stacked(plot: Plot): Plot {
  const sums = plot.timesMs.map(() => 0);
  const lines = [...plot.lines].reverse().map((line) => {
    if (line.isBefore) return line;
    const values = line.values.map((value, i) => {
      sums[i] = (sums[i] as number) + (value ?? 0);
      return sums[i] as number;
    });
    return { ...line, values };
  });
  return { ...plot, lines: lines.reverse() };
}
