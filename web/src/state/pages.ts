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
  /** From the beginning. */
  again: () => void;
}

interface State<T> {
  data: readonly T[] | undefined;
  cursor: string | null;
  error: unknown;
  busy: boolean;
}

const FIRST = { data: undefined, cursor: null, error: null, busy: true };

/** A list that is fetched page by page, from the beginning whenever one of `by` changes. */
export function usePages<T>(
  fetched: (cursor: string | undefined, signal: AbortSignal) => Promise<Page<T>>,
  by: readonly unknown[],
): Pages<T> {
  const [state, setState] = useState<State<T>>(FIRST);
  const [turn, setTurn] = useState(0);
  const control = useRef<AbortController | null>(null);
  const load = (cursor: string | null) => {
    control.current?.abort();
    const own = new AbortController();
    control.current = own;
    setState((was) => ({ ...was, busy: true, error: null }));
    fetched(cursor ?? undefined, own.signal).then(
      (page) =>
        own.signal.aborted ||
        setState((was) => ({
          data: cursor === null ? page.data : [...(was.data ?? []), ...page.data],
          cursor: page.next_cursor,
          error: null,
          busy: false,
        })),
      (error) => own.signal.aborted || setState((was) => ({ ...was, error, busy: false })),
    );
  };
  useEffect(() => {
    load(null);
    return () => control.current?.abort();
  }, [...by, turn]);
  return {
    ...state,
    more: state.cursor !== null,
    next: () => !state.busy && state.cursor !== null && load(state.cursor),
    again: () => setTurn((was) => was + 1),
  };
}
