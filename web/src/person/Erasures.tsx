import { useEffect } from "preact/hooks";
import { get, type Schemas } from "../api.ts";
import { count, counted } from "../numbers.ts";
import { Ago } from "../parts/Ago.tsx";
import { useLoad } from "../state/load.ts";

type Erasure = Schemas["Erasure"];
const AGAIN_MS = 1000;
const SHOWN = 5;

/** The newest erasures, and how far each has come. Their records name nobody. */
export function Erasures({ project, turn = 0 }: { project: string; turn?: number }) {
  const list = useLoad(
    (signal) => get("/v1/erasures", { in: project, query: { limit: SHOWN }, signal }),
    [project, turn],
  );
  const runs = list.data?.data.some(({ state }) => state === "waiting" || state === "running") ?? false;
  useEffect(() => {
    if (!runs) return;
    const every = setInterval(list.again, AGAIN_MS);
    return () => clearInterval(every);
  }, [runs, list.again]);
  if (!list.data || list.data.data.length === 0) return null;
  return (
    <section class="doc erasures" aria-label="Erasures">
      <div class="bar">
        <h2>Erased on request</h2>
      </div>
      <ul>
        {list.data.data.map((each) => (
          <li key={each.id}>
            <span>
              <Ago at={each.requested_at} />
            </span>
            <b>{each.state}</b>
            <span class="quiet">{progress(each)}</span>
          </li>
        ))}
      </ul>
    </section>
  );
}

function progress(one: Erasure): string {
  if (one.error) return `${one.error}; tried again within a minute`;
  const erased = counted(one.events_erased, "event");
  if (one.state === "done") return `${erased} erased`;
  if (one.segments_total === 0) return erased;
  return `${erased} erased, ${count(one.segments_done)} of ${counted(one.segments_total, "segment")} done`;
}
