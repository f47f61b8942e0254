import { useEffect, useMemo } from "preact/hooks";
import { type Loaded, useLoad } from "../state/load.ts";
import { type Comparison, type Pair, type Place, rows } from "./data.ts";
import type { Filter } from "./filters.ts";
import { Ledger, WINDOW } from "./model.ts";
import type { View } from "./scroll.ts";

export function heightsOf({ narrow, coarse }: View): { head: number; change: number } {
  const row = narrow || coarse ? 36 : 26;
  return { head: row, change: narrow ? 72 : row };
}

export interface Compared {
  comparison: Comparison;
  pair: Pair;
  filter: Filter;
}

/** The comparison with the rows that pass the filter; while another one comes the one before stays. */
export function useComparison(place: Place, pair: Pair | null, filter: Filter): Loaded<Compared | null> {
  const load = async (signal: AbortSignal): Promise<Compared | null> => {
    if (!pair) return null;
    const comparison = await rows(place, pair, filter, { start: 0, count: WINDOW }, signal);
    return { comparison, pair, filter };
  };
  return useLoad(load, [place.project, place.endpoint, JSON.stringify(pair), JSON.stringify(filter)]);
}

/** The ledger of a comparison, with its windows loaded as they are seen. */
export function useLedger(place: Place, compared: Compared | null, screen: View): Ledger | null {
  const { project, endpoint } = place;
  const ledger = useMemo(() => {
    if (!compared) return null;
    const { comparison, pair, filter } = compared;
    const load = async (start: number, count: number, signal: AbortSignal) =>
      (await rows({ project, endpoint }, pair, filter, { start, count }, signal)).rows;
    const source = { total: comparison.matched, lines: comparison.lines, first: comparison.rows, load };
    return new Ledger(source, heightsOf(screen));
  }, [compared, project, endpoint]);
  useEffect(() => ledger?.setHeights(heightsOf(screen)), [ledger, screen]);
  useEffect(() => () => ledger?.close(), [ledger]);
  return ledger;
}
