import { get, type Schemas } from "../api.ts";
import { Failure } from "../parts/Failure.tsx";
import { at, href } from "../state/location.ts";
import { usePages } from "../state/pages.ts";
import { zone } from "../state/zone.ts";
import { moment, roughly } from "../time/clock.ts";
import { SENT } from "./Fired.tsx";

type Alert = Schemas["Alert"];

/** What was raised, and cleared since: of all rules. */
export function Log({ project, turn }: { project: string; turn: number }) {
  const pages = usePages<Alert>(
    (cursor, signal) => get("/v1/alerts", { in: project, query: { limit: 50, cursor }, signal }),
    [project, turn],
  );
  return (
    <section aria-label="Raised and cleared">
      <div class="part-h">
        <h3>Raised and cleared</h3>
        <span class="quiet">all rules</span>
      </div>
      {pages.data?.length === 0 ? <p class="none">Nothing was raised yet.</p> : null}
      {pages.data && pages.data.length > 0 ? (
        <table class="tb log">
          <thead class="sr">
            <tr>
              {["When", "State", "Rule", "Value", "Told"].map((title) => (
                <th key={title} scope="col">
                  {title}
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {pages.data.map((alert) => (
              <Row key={alert.id} project={project} alert={alert} />
            ))}
          </tbody>
        </table>
      ) : null}
      {pages.error ? <Failure tried="Loading alerts" error={pages.error} retry={pages.again} /> : null}
      {pages.more && !pages.error ? (
        <button class="btn ghost more" type="button" onClick={pages.next} aria-disabled={pages.busy}>
          Show more
        </button>
      ) : null}
    </section>
  );
}

function Row({ project, alert }: { project: string; alert: Alert }) {
  const raised = Date.parse(alert.raised_at);
  const when = <time dateTime={alert.raised_at}>{moment(raised, zone.value)}</time>;
  const to = alert.endpoint
    ? `${at("p", project, "e", alert.endpoint)}?at=${encodeURIComponent(alert.raised_at)}`
    : null;
  return (
    <tr>
      <td>{to === null ? when : <a href={href(to)}>{when}</a>}</td>
      <td>
        <span class={`st ${alert.state === "raised" ? "failed" : "cleared"}`} aria-hidden="true" />
        {alert.cleared_at ? `cleared after ${roughly(Date.parse(alert.cleared_at) - raised)}` : "raised"}
      </td>
      <td>
        <b>{alert.rule}</b>
      </td>
      <td class="text">{alert.text}</td>
      <td class="quiet">{SENT[alert.sent] ?? alert.sent}</td>
    </tr>
  );
}
