import { useEffect, useRef, useState } from "preact/hooks";
import { useLoad } from "../state/load.ts";

export interface Pages<Page> {
  pages: Page[];
  busy: boolean;
  error: unknown;
  again: () => void;
  /** Loads the next page; null where there is none. */
  more: (() => void) | null;
}

/** A list that comes page by page. Whatever `by` it is asked, later pages of an earlier question are dropped. */
export function usePages<Page extends { cursor: string | null }>(
  load: (cursor: string | null, signal: AbortSignal) => Promise<Page>,
  by: readonly unknown[],
): Pages<Page> {
  const first = useLoad((signal) => load(null, signal), by);
  const [later, setLater] = useState<{ of: Page | undefined; pages: Page[] }>({ of: undefined, pages: [] });
  const [failed, setFailed] = useState<unknown>(null);
  const loading = useRef<AbortController | null>(null);
  useEffect(() => () => loading.current?.abort(), []);
  const pages = first.data ? [first.data, ...(later.of === first.data ? later.pages : [])] : [];
  const cursor = pages.at(-1)?.cursor ?? null;
  const more = async () => {
    if (loading.current) return;
    const controller = new AbortController();
    loading.current = controller;
    try {
      const page = await load(cursor, controller.signal);
      setLater({ of: first.data, pages: [...pages.slice(1), page] });
      setFailed(null);
    } catch (error) {
      if (!controller.signal.aborted) setFailed(error);
    }
    loading.current = null;
  };
  const again = () => {
    if (failed) void more();
    else first.again();
  };
  return { pages, busy: first.busy, error: first.error ?? failed, again, more: cursor ? () => void more() : null };
}
