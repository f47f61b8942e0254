import { useEffect, useMemo } from "preact/hooks";
import { type Loaded, useLoad } from "../state/load.ts";
import type { Ask, Comparison, Pair } from "./data.ts";
import type { Filter } from "./filters.ts";
import { Ledger, WINDOW } from "./model.ts";
import type { View } from "./scroll.ts";

export function heightsOf({ narrow, coarse }: View): { head: number; change: number } {
  const row = narrow || coarse ? 36 : 26;
  return { head: row, change: narrow ? 72 : row };
}

/** How many rows the ledger has. */
export function listed({ matched, unchanged = 0 }: Comparison): number {
  return matched + unchanged;
}

export interface Compared {
  comparison: Comparison;
  pair: Pair;
  ask: Ask;
  filter: Filter;
  /** With what did not change. */
  all: boolean;
}

/** The comparison with the rows that pass the filter; while another one comes the one before stays. */
export function useComparison(
  pair: Pair | null,
  ask: Ask | null,
  filter: Filter,
  all: boolean,
): Loaded<Compared | null> {
  const load = async (signal: AbortSignal): Promise<Compared | null> => {
    if (!pair || !ask) return null;
    const comparison = await ask(filter, { start: 0, count: WINDOW, unchanged: all }, signal);
    return { comparison, pair, ask, filter, all };
  };
  return useLoad(load, [ask, JSON.stringify([filter, all])]);
}

/** The ledger of a comparison, with its windows loaded as they are seen. */
export function useLedger(compared: Compared | null, screen: View): Ledger | null {
  const ledger = useMemo(() => {
    if (!compared) return null;
    const { comparison, filter, all } = compared;
    const ask = (window: { start: number; count: number; row?: string }, signal: AbortSignal) =>
      compared.ask(filter, { ...window, unchanged: all }, signal);
    return new Ledger(
      {
        total: listed(comparison),
        lines: comparison.lines,
        first: comparison.rows,
        load: async (start, count, signal) => (await ask({ start, count }, signal)).rows,
        placeOf: async (row, signal) => (await ask({ start: 0, count: 1, row }, signal)).place ?? null,
      },
      heightsOf(screen),
      all,
    );
  }, [compared]);
  useEffect(() => ledger?.setHeights(heightsOf(screen)), [ledger, screen]);
  useEffect(() => () => ledger?.close(), [ledger]);
  return ledger;
}
