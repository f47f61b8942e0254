import { ask } from "../explore/asking.ts";
import { useLoad } from "../state/load.ts";

const MOST = 200;

/** The event types of a range, those there are most of first. */
export function useTypes(project: string, range: readonly string[]): readonly string[] {
  const types = useLoad(
    async (signal) => {
      const body = { groupBy: ["eventType"], range: [...range], orderBy: [["count", "desc"]], limit: MOST };
      const { rows } = await ask(project, body, signal);
      return rows.map(({ eventType }) => String(eventType));
    },
    [project, range.join()],
  );
  return types.data ?? [];
}
