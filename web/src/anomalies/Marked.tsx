import type { Mark } from "../charts/marks.ts";
import { zone } from "../state/zone.ts";
import { moment } from "../time/clock.ts";
import type { Anomaly } from "./places.ts";

const LETTERS = "abcdefghijklmnopqrstuvwxyz";

/** Those of some fields within a stretch of time, the newest that have letters, in order. */
export function within(
  found: readonly Anomaly[],
  fields: readonly string[],
  timesMs: readonly number[],
): readonly Anomaly[] {
  const [first, last] = [timesMs[0] ?? 0, timesMs.at(-1) ?? 0];
  const inside = (anomaly: Anomaly) => {
    const began = Date.parse(anomaly.began_at);
    return fields.includes(anomaly.name) && began >= first && began <= last;
  };
  return found.filter(inside).slice(0, LETTERS.length).reverse();
}

export function marksOf(anomalies: readonly Anomaly[]): readonly Mark[] {
  return anomalies.map(({ began_at }, i) => ({ ms: Date.parse(began_at), kind: "note", letter: LETTERS[i] ?? "" }));
}

/** What the flags on a plot stand for, each in a sentence. */
export function Marked({ anomalies }: { anomalies: readonly Anomaly[] }) {
  if (anomalies.length === 0) return null;
  return (
    <ul class="anomaly-marks" aria-label="Anomalies">
      {anomalies.map((anomaly, i) => (
        <li key={anomaly.id}>
          <b aria-hidden="true">{LETTERS[i]}</b>
          <time dateTime={anomaly.began_at}>{moment(Date.parse(anomaly.began_at), zone.value)}</time>
          <span>{anomaly.text}</span>
        </li>
      ))}
    </ul>
  );
}
