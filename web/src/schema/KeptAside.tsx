import { useState } from "preact/hooks";
import type { Place } from "../compare/data.ts";
import { counted } from "../numbers.ts";
import { Ago } from "../parts/Ago.tsx";
import { Destroy } from "../parts/Destroy.tsx";
import { Failure } from "../parts/Failure.tsx";
import { useLoad } from "../state/load.ts";
import { may } from "../state/may.ts";
import { toast } from "../state/toasts.ts";
import { accept, discard, discardAll, type Kept, keptOf } from "./data.ts";

/** Polled documents that did not fit: taken after all, or given up. */
export function KeptAside({ place, accepted }: { place: Place; accepted: () => void }) {
  const kept = useLoad((signal) => keptOf(place, signal), [place]);
  const [busy, setBusy] = useState(false);
  const [failure, setFailure] = useState<{ tried: string; error: unknown } | null>(null);
  const [why, setWhy] = useState<Record<string, string>>({});
  const [asking, setAsking] = useState(false);
  if (kept.error) return <Failure tried="Loading what was kept aside" error={kept.error} retry={kept.again} />;
  if (!kept.data?.length) return null;
  const run = async (tried: string, work: () => Promise<unknown>) => {
    setBusy(true);
    setFailure(null);
    try {
      await work();
    } catch (error) {
      setFailure({ tried, error });
    }
    setBusy(false);
    kept.again();
  };
  const take = (ids?: string[]) =>
    run("Accepting", async () => {
      const done = await accept(place, ids);
      setWhy(Object.fromEntries(done.flatMap(({ id, reason }) => (reason ? [[id, reason]] : []))));
      const stored = done.filter(({ snapshot_id }) => snapshot_id).length;
      if (stored === 0) return;
      toast(`${counted(stored, "document")} stored`);
      accepted();
    });
  const give = (id: string) =>
    run("Discarding", async () => {
      await discard(place, id);
      toast("The document is discarded");
    });
  const many = kept.data.length > 1;
  return (
    <section class="kept-aside" aria-label="Kept aside">
      <h3>Kept aside</h3>
      {failure && <Failure tried={failure.tried} error={failure.error} />}
      <ul class="places">
        {kept.data.map((each) => (
          <Row key={each.id} kept={each} why={why[each.id]} busy={busy} take={take} give={give} />
        ))}
      </ul>
      {many && (
        <p class="acts">
          {may("endpoints:write") && (
            <button type="button" class="btn" disabled={busy} onClick={() => void take()}>
              Accept all
            </button>
          )}
          {may("snapshots:admin") && (
            <button type="button" class="btn" disabled={busy} onClick={() => setAsking(true)}>
              Discard all
            </button>
          )}
        </p>
      )}
      {asking && (
        <Destroy
          title="Discard what was kept aside"
          lead={`${counted(kept.data.length, "document")} that did not fit are gone for good.`}
          name={place.endpoint}
          label="Type the endpoint's name"
          action="Discard all"
          run={async () => {
            await discardAll(place);
            toast("The documents are discarded");
            kept.again();
          }}
          close={() => setAsking(false)}
        />
      )}
    </section>
  );
}

type RowProps = {
  kept: Kept;
  why: string | undefined;
  busy: boolean;
  take: (ids: string[]) => void;
  give: (id: string) => void;
};

function Row({ kept: { id, captured_at, misfits }, why, busy, take, give }: RowProps) {
  const said = `the document polled ${captured_at}`;
  return (
    <li>
      <p>
        <Ago at={captured_at} /> <code>{misfits[0]?.path || "the document"}</code> {misfits[0]?.reason}
        {misfits.length > 1 && <span class="quiet"> and {misfits.length - 1} more</span>}
      </p>
      {why && (
        <p class="why" role="status">
          Not stored: {why}
        </p>
      )}
      <p class="acts">
        {may("endpoints:write") && (
          <button type="button" class="btn" disabled={busy} aria-label={`Accept ${said}`} onClick={() => take([id])}>
            Accept
          </button>
        )}
        {may("snapshots:admin") && (
          <button type="button" class="btn" disabled={busy} aria-label={`Discard ${said}`} onClick={() => give(id)}>
            Discard
          </button>
        )}
      </p>
    </li>
  );
}
