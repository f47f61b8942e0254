import type { Mark } from "../charts/marks.ts";
import { zone } from "../state/zone.ts";
import { moment } from "../time/clock.ts";
import type { Anomaly } from "./places.ts";

/** So many are marked at most. */
const MOST = 26;
/** What stands in the flags: letters, or numbers where notes have the letters. */
const SIGNS = {
  letters: (place: number) => String.fromCharCode(97 + place),
  numbers: (place: number) => String(place + 1),
} as const;
type Signs = keyof typeof SIGNS;

/** Those of some fields or types of events, of all for null, within a stretch of time: the newest, in order. */
export function within(
  found: readonly Anomaly[],
  names: readonly string[] | null,
  timesMs: readonly number[],
): readonly Anomaly[] {
  const [first, last] = [timesMs[0] ?? 0, timesMs.at(-1) ?? 0];
  const inside = (anomaly: Anomaly) => {
    const began = Date.parse(anomaly.began_at);
    return (names === null || names.includes(anomaly.name)) && began >= first && began <= last;
  };
  return found.filter(inside).slice(0, MOST).reverse();
}

export function marksOf(anomalies: readonly Anomaly[], signs: Signs = "letters"): readonly Mark[] {
  return anomalies.map(({ began_at }, i) => ({ ms: Date.parse(began_at), kind: "note", letter: SIGNS[signs](i) }));
}

/** What the flags on a plot stand for, each in a sentence. */
export function Marked({ anomalies, signs = "letters" }: { anomalies: readonly Anomaly[]; signs?: Signs }) {
  if (anomalies.length === 0) return null;
  return (
    <ul class="anomaly-marks" aria-label="Anomalies">
      {anomalies.map((anomaly, i) => (
        <li key={anomaly.id}>
          <b aria-hidden="true">{SIGNS[signs](i)}</b>
          <time dateTime={anomaly.began_at}>{moment(Date.parse(anomaly.began_at), zone.value)}</time>
          <span>{anomaly.text}</span>
        </li>
      ))}
    </ul>
  );
}
