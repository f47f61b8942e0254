/** The explorer's answers as a plot: the total, the time before it, and the lines of some values. */

import type { Line, Plot } from "../charts/model.ts";
import { metricName, valueName } from "./names.ts";
import { pickedValue, type Question } from "./question.ts";
import { addsUp, before, linesBy, numberOf, type Row } from "./rows.ts";

export function plotOf(
  question: Question,
  series: readonly Row[],
  split: { rows: readonly Row[]; names: readonly string[] },
): Plot {
  const metric = question.metrics[0] as string;
  const timesMs = series.map((row) => Date.parse(row.time as string));
  const line = (name: string, values: readonly (number | null)[]): Line => ({ name, field: "", record: null, values });
  const total = line(
    metricName(metric).toLowerCase(),
    series.map((row) => numberOf(row, metric)),
  );
  const lines: Line[] = [];
  const found = split.names.length > 0 ? linesBy(split.rows, question, timesMs) : new Map();
  const parts = split.names.flatMap((name) => {
    const values = found.get(name);
    return values ? [line(valueName(pickedValue(name)), values)] : [];
  });
  const isStacked = question.draw !== "line" && parts.length > 0;
  if (isStacked && addsUp(metric)) parts.push(rest(total, parts));
  lines.push(...(isStacked ? parts : [total, ...parts]));
  if (question.isCompared) {
    lines.push({
      ...line(
        "before",
        series.map((row) => before(row, metric)),
      ),
      isBefore: true,
    });
  }
  return { unit: metricName(metric), timesMs, lines, leftOff: 0 };
}

/** What the drawn parts leave of the whole. */
function rest(total: Line, parts: readonly Line[]): Line {
  const values = total.values.map((value, i) =>
    Math.max(0, (value ?? 0) - parts.reduce((sum, part) => sum + (part.values[i] ?? 0), 0)),
  );
  return { ...total, name: "others", values };
}
