// When fields changed lately, as bars of a sparkline: one list of deltas tells it of all fields.

export interface Dated {
  captured_at: string;
  fields: { path: string; changes: number }[];
}

export const BARS = 40;

/** How often each field changed in each of so many equal stretches between the first and the last delta. */
export function sparksOf(deltas: Dated[]): Map<string, number[]> {
  const times = deltas.map((delta) => Date.parse(delta.captured_at));
  const first = Math.min(...times);
  const length = Math.max(1, Math.max(...times) - first);
  const sparks = new Map<string, number[]>();
  for (const [i, { fields }] of deltas.entries()) {
    const bar = Math.min(BARS - 1, Math.floor((((times[i] ?? first) - first) / length) * BARS));
    for (const { path, changes } of fields) {
      const bars = sparks.get(path) ?? new Array<number>(BARS).fill(0);
      bars[bar] = (bars[bar] ?? 0) + changes;
      sparks.set(path, bars);
    }
  }
  return sparks;
}
