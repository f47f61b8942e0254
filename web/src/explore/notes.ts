import { count, counted, percent } from "../numbers.ts";
import type { Meta } from "./asking.ts";
import { metricName } from "./names.ts";

/** How sure the numbers are, of which the first is drawn, and what they took. */
export function notes(meta: Meta, [metric, ...others]: readonly string[]): string {
  const error = meta.approximate[metric as string];
  const whole = meta.complete_from[metric as string];
  return [
    error === undefined ? "" : `an estimate, within ${percent(error)}`,
    ...others.map((name) => {
      const its = meta.approximate[name];
      return its === undefined ? "" : `${metricName(name)}: an estimate, within ${percent(its)}`;
    }),
    whole === undefined ? "" : `whole since ${whole.slice(0, 16).replace("T", " ")}: older events are deleted`,
    meta.merges_pending ? "some persons count twice for some minutes" : "",
    `${counted(meta.rows_scanned, "row")} read in ${count(Math.round(meta.took_ms))} ms`,
  ]
    .filter(Boolean)
    .map((part) => ` · ${part}`)
    .join("");
}
