import { useCallback, useEffect, useState } from "preact/hooks";
import { Problem, UNREACHABLE } from "../problem.ts";
import { isReachable } from "./connection.ts";

export interface Loaded<T> {
  /** The newest answer; stays while another one is fetched, so that nothing jumps. */
  data: T | undefined;
  error: unknown;
  busy: boolean;
  again: () => void;
}

/** Fetches whenever one of `by` changes; an answer that comes after the next question is dropped. */
export function useLoad<T>(fetched: (signal: AbortSignal) => Promise<T>, by: readonly unknown[]): Loaded<T> {
  const [state, setState] = useState<{ data: T | undefined; error: unknown; busy: boolean }>({
    data: undefined,
    error: null,
    busy: true,
  });
  const [turn, setTurn] = useState(0);
  useEffect(() => {
    const control = new AbortController();
    setState((before) => ({ ...before, busy: true, error: null }));
    fetched(control.signal).then(
      (data) => control.signal.aborted || setState({ data, error: null, busy: false }),
      (error) => control.signal.aborted || setState((before) => ({ ...before, error, busy: false })),
    );
    return () => control.abort();
  }, [...by, turn]);
  const lost = state.error instanceof Problem && state.error.code === UNREACHABLE;
  const reachable = isReachable.value;
  useEffect(() => {
    if (lost && reachable) setTurn((before) => before + 1); // the server is back
  }, [lost, reachable]);
  const again = useCallback(() => setTurn((before) => before + 1), []);
  return { ...state, again };
}
