import { useEffect, useState } from "preact/hooks";
import { bytes, count, percent } from "../numbers.ts";
import { Ago } from "../parts/Ago.tsx";
import { Destroy } from "../parts/Destroy.tsx";
import { Failure } from "../parts/Failure.tsx";
import { Loading } from "../parts/Loading.tsx";
import { useLoad } from "../state/load.ts";
import { may } from "../state/may.ts";
import { toast } from "../state/toasts.ts";
import { Delta } from "./Delta.tsx";
import { clientOf, type Delivery, type Job, jobsOf, type Of, promote, type Summary, summaryOf } from "./data.ts";

const LOOK_MS = 1000;
const NUMBERS: ReadonlySet<string> = new Set(["Rows", "Size"]);
const COLUMNS = ["Delivery", "Received", "Rows", "Size", "Format"];

/** What one client delivered, what that changes, and whether it is taken over. */
export function ClientView({ of }: { of: Of }) {
  const own = useLoad((signal) => clientOf(of, signal), [of.project, of.dataset, of.client]);
  if (own.error) return <Failure tried="Loading the deliveries" error={own.error} retry={own.again} />;
  if (!own.data) return <Loading label="Loading the deliveries" />;
  const { current, previous } = own.data;
  return (
    <>
      <table class="tb deliveries">
        <thead>
          <tr>
            {COLUMNS.map((name) => (
              <th key={name} scope="col" class={NUMBERS.has(name) ? "n" : undefined}>
                {name}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          <DeliveryRow name="Current" delivery={current} />
          <DeliveryRow name="Previous" delivery={previous} />
        </tbody>
      </table>
      {current ? (
        <Compared key={current.id} of={of} delivery={current} again={own.again} />
      ) : (
        <p class="quiet">The next delivery will be compared with the previous one.</p>
      )}
    </>
  );
}

function DeliveryRow({ name, delivery }: { name: string; delivery: Delivery | null }) {
  return (
    <tr>
      <th scope="row">{name}</th>
      <td>{delivery ? <Ago at={delivery.received_at} /> : <span class="quiet">none</span>}</td>
      <td class="n">{delivery?.rows != null && count(delivery.rows)}</td>
      <td class="n">{delivery && bytes(delivery.bytes)}</td>
      <td>{delivery?.format}</td>
    </tr>
  );
}

function Compared({ of, delivery, again }: { of: Of; delivery: Delivery; again: () => void }) {
  const found = useLoad((signal) => summaryOf(of, signal), [delivery.id]);
  const [asking, setAsking] = useState(false);
  const [failure, setFailure] = useState<unknown>(null);
  if (found.error) return <Failure tried="Comparing" error={found.error} retry={found.again} />;
  if (!found.data) return <Progress of={of} />;
  const { confirm, removed, rows_before } = found.data;
  const take = async () => {
    await promote(of, confirm);
    toast("The delivery is promoted");
    again();
  };
  return (
    <>
      <Counts summary={found.data} />
      {failure ? <Failure tried="Promoting" error={failure} /> : null}
      {may("datasets:write") && (
        <p class="acts">
          <button
            type="button"
            class="btn primary"
            onClick={() => (confirm === null ? take().catch(setFailure) : setAsking(true))}
          >
            Promote
          </button>
          <span class="quiet">Takes it over: later deliveries are compared with this one.</span>
        </p>
      )}
      {asking && (
        <Destroy
          title="Promote a delivery that lacks most rows"
          lead={`${count(removed)} of ${count(rows_before)} rows are missing. Later deliveries are compared with this one.`}
          name={of.client}
          label="Type the client's name"
          action="Promote"
          run={take}
          close={() => setAsking(false)}
        />
      )}
      <Delta of={of} delivery={delivery.id} />
    </>
  );
}

function Counts({ summary }: { summary: Summary }) {
  const keys = summary.key_fields.join(", ");
  return (
    <>
      <ul class="delta-counts" aria-label="What changed">
        {(["added", "changed", "removed", "unchanged"] as const).map((name) => (
          <li key={name}>
            <b>{count(summary[name])}</b> {name}
          </li>
        ))}
      </ul>
      <p class="quiet">
        {keys
          ? `Rows are compared by ${keys}${summary.key_found ? ", a key that was found" : ""}.`
          : "Rows are compared as a whole."}
        {summary.confirm !== null && ` ${percent(summary.removed_share)} of the rows before are missing.`}
      </p>
    </>
  );
}

/** How far the comparison has come that the page waits for. */
function Progress({ of }: { of: Of }) {
  const [job, setJob] = useState<Job | null>(null);
  useEffect(() => {
    const control = new AbortController();
    const look = () =>
      jobsOf(of, control.signal).then(
        (jobs) => setJob(jobs[0] ?? null),
        () => undefined, // the comparison itself says what is wrong
      );
    const timer = setInterval(look, LOOK_MS);
    return () => {
      control.abort();
      clearInterval(timer);
    };
  }, [of.project, of.dataset, of.client]);
  return (
    <>
      <Loading label="Comparing" />
      <p class="quiet" role="status">
        {job
          ? `Comparing (${job.phase}): ${count(job.rows_before)} rows of the previous delivery, ${count(job.rows_after)} of the current one.`
          : "Comparing the deliveries …"}
      </p>
    </>
  );
}
