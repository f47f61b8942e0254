import { useState } from "preact/hooks";
import { get, type Schemas } from "../api.ts";
import { bytes, count, counted } from "../numbers.ts";
import { Ago } from "../parts/Ago.tsx";
import { Failure } from "../parts/Failure.tsx";
import { Loading } from "../parts/Loading.tsx";
import { InstanceFrame, Part } from "../settings/Frame.tsx";
import { useLoad } from "../state/load.ts";
import { now } from "../state/now.ts";
import "../settings/table.css";
import "../usage/usage.css";

type Answer = Schemas["Instance"];

/** So often it is asked anew, in ms. */
const ANEW_MS = 30_000;

/** The server as a whole, for its owner: version, sizes, health of each loop, the configuration in force. */
export default function Instance() {
  const turn = Math.floor(now.value / ANEW_MS);
  const { data, error, again } = useLoad((signal) => get("/v1/instance", { signal }), [turn]);
  return (
    <InstanceFrame>
      {error ? <Failure tried="Asking the server about itself" error={error} retry={again} /> : null}
      {!data && !error ? <Loading /> : null}
      {data ? (
        <>
          <Server answer={data} />
          <Health answer={data} />
          <Config values={data.config} />
        </>
      ) : null}
    </InstanceFrame>
  );
}

function Server({ answer }: { answer: Answer }) {
  const { health } = answer;
  return (
    <Part
      title={`Delta ${answer.version}`}
      lead={`Python ${answer.python} on ${answer.platform}, with its data in ${answer.data_directory}`}
    >
      <section class="figs" aria-label="In short">
        <div>
          <b>{health.status}</b>
          <span>
            started <Ago at={answer.started_at} />
          </span>
        </div>
        <div>
          <b>{count(answer.open_streams)}</b>
          <span>open streams</span>
        </div>
        <div class="wide">
          <b>{bytes(answer.data_bytes)}</b>
          <span>on disk, {bytes(health.disk_free_bytes)} free</span>
        </div>
      </section>
      <ul class="quotas">
        {answer.parts.map((part) => (
          <li key={part.name}>
            <span>{part.name}</span>
            <svg class="ratio" viewBox="0 0 100 4" preserveAspectRatio="none" aria-hidden="true">
              <rect class="all" width="100" height="4" />
              <rect
                class="part"
                width={answer.data_bytes > 0 ? (part.bytes / answer.data_bytes) * 100 : 0}
                height="4"
              />
            </svg>
            <b>{bytes(part.bytes)}</b>
            <span />
          </li>
        ))}
      </ul>
      {answer.cold ? <Cold cold={answer.cold} /> : null}
    </Part>
  );
}

function Cold({ cold }: { cold: NonNullable<Answer["cold"]> }) {
  return (
    <p class={cold.answers ? "quiet" : "wrong"}>
      {counted(cold.objects, "old pack or segment", "old packs and segments")}, {bytes(cold.bytes)}, in cold storage
      {cold.address ? ` (${cold.address})` : ""}
      {cold.answers ? "." : ", which does not answer: what is in it cannot be read now."}
    </p>
  );
}

function Health({ answer }: { answer: Answer }) {
  const { health } = answer;
  const { database, queues } = health;
  const failing = health.loops.filter((loop) => !loop.running || loop.failures > 0);
  return (
    <Part
      title="Health"
      lead={
        database
          ? `${count(database.writes)} writes, ${count(database.slow_writes)} of them slow; ${count(queues.deltas_pending ?? 0)} deltas are to be computed.`
          : "The database does not answer."
      }
    >
      {health.reasons.map((reason) => (
        <p key={reason} class="wrong">
          {reason}
        </p>
      ))}
      <p class="quiet">
        {failing.length === 0
          ? `All ${health.loops.length} background loops run.`
          : `${failing.length} of ${health.loops.length} background loops had failures.`}
      </p>
      <details open={failing.length > 0}>
        <summary>Background loops</summary>
        <div class="sheet">
          <table class="tb">
            <thead>
              <tr>
                <th scope="col">Loop</th>
                <th scope="col">State</th>
                <th scope="col" class="n">
                  Failures
                </th>
                <th scope="col">Last failed</th>
              </tr>
            </thead>
            <tbody>
              {[...failing, ...health.loops.filter((loop) => !failing.includes(loop))].map((loop) => (
                <tr key={loop.name}>
                  <th scope="row">{loop.name}</th>
                  <td class={loop.running ? undefined : "wrong"}>{loop.running ? "runs" : "stands still"}</td>
                  <td class="n" data-name="Failures">
                    {count(loop.failures)}
                  </td>
                  <td data-name={loop.last_failed_at ? "Last" : undefined}>
                    {loop.last_failed_at ? <Ago at={loop.last_failed_at} /> : ""}
                  </td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      </details>
    </Part>
  );
}

function Config({ values }: { values: Answer["config"] }) {
  const [sought, setSought] = useState("");
  const shown = values.filter((each) => each.name.includes(sought.trim().toLowerCase()));
  return (
    <Part title="Configuration" lead="As it is in force, with its secrets masked.">
      <details>
        <summary>{count(values.length)} options</summary>
        <div class="filters">
          <label class="pick">
            <span class="sr">Filter options</span>
            <input
              type="search"
              placeholder="Filter"
              value={sought}
              onInput={(event) => setSought(event.currentTarget.value)}
            />
          </label>
        </div>
        <div class="sheet">
          <table class="tb">
            <thead>
              <tr>
                <th scope="col">Option</th>
                <th scope="col">Value</th>
                <th scope="col">
                  <span class="sr">Whether it was set</span>
                </th>
              </tr>
            </thead>
            <tbody>
              {shown.map((each) => (
                <tr key={each.name}>
                  <th scope="row">
                    <code>{each.name}</code>
                  </th>
                  <td class="wide-cell">
                    <code>{each.value}</code>
                  </td>
                  <td class="quiet">{each.is_default ? "" : "set"}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      </details>
    </Part>
  );
}
