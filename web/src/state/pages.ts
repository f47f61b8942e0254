import { useEffect, useRef, useState } from "preact/hooks";

interface Page<T> {
  data: readonly T[];
  next_cursor: string | null;
}

export interface Pages<T> {
  /** undefined until the first page is there. */
  data: readonly T[] | undefined;
  error: unknown;
  busy: boolean;
  /** Whether there are more. */
  more: boolean;
  next: () => void;
  /** From the beginning, as many as are shown: who looked far down a list still does. */
  again: () => void;
}

interface State<T> {
  data: readonly T[] | undefined;
  cursor: string | null;
  error: unknown;
  busy: boolean;
}

const FIRST = { data: undefined, cursor: null, error: null, busy: true };

type Fetched<T> = (cursor: string | undefined, signal: AbortSignal) => Promise<Page<T>>;

/** A list that is fetched page by page, from the beginning whenever one of `by` changes. */
export function usePages<T>(fetched: Fetched<T>, by: readonly unknown[]): Pages<T> {
  const [state, setState] = useState<State<T>>(FIRST);
  const [turn, setTurn] = useState(0);
  const control = useRef<AbortController | null>(null);
  const loadedTurn = useRef(turn);
  const load = (cursor: string | null, before: readonly T[], wanted: number) => {
    control.current?.abort();
    const own = new AbortController();
    control.current = own;
    setState((was) => ({ ...was, busy: true, error: null }));
    gathered(fetched, cursor, before, wanted, own.signal).then(
      (found) => own.signal.aborted || setState({ ...found, error: null, busy: false }),
      (error) => own.signal.aborted || setState((was) => ({ ...was, error, busy: false })),
    );
  };
  useEffect(() => {
    load(null, [], loadedTurn.current === turn ? 0 : (state.data?.length ?? 0));
    loadedTurn.current = turn;
    return () => control.current?.abort();
  }, [...by, turn]);
  return {
    ...state,
    more: state.cursor !== null,
    next: () => !state.busy && state.cursor !== null && load(state.cursor, state.data ?? [], 0),
    again: () => setTurn((was) => was + 1),
  };
}

/** `before` and the page behind it, and the next ones until there are `wanted` rows. */
async function gathered<T>(
  fetched: Fetched<T>,
  from: string | null,
  before: readonly T[],
  wanted: number,
  signal: AbortSignal,
): Promise<{ data: readonly T[]; cursor: string | null }> {
  const data = [...before];
  let cursor = from;
  do {
    const page = await fetched(cursor ?? undefined, signal);
    data.push(...page.data);
    cursor = page.next_cursor;
  } while (cursor !== null && data.length < wanted);
  return { data, cursor };
}
