import { useState } from "preact/hooks";
import { get } from "../api.ts";
import { Chips } from "../document/Chips.tsx";
import { Ago } from "../parts/Ago.tsx";
import { Copy } from "../parts/Copy.tsx";
import { Failure } from "../parts/Failure.tsx";
import { Icon } from "../parts/Icon.tsx";
import { Loading } from "../parts/Loading.tsx";
import { Segments } from "../parts/Segments.tsx";
import { useLoad } from "../state/load.ts";
import { at, href, setQuery } from "../state/location.ts";
import { may } from "../state/may.ts";
import { zone } from "../state/zone.ts";
import { exactClock } from "../time/clock.ts";
import { NextTry } from "./NextTry.tsx";
import { type Attempt, chipCounts, curl, type DeliveryDetail, indented, outcome, took } from "./words.ts";

const PARTS = { body: "Body", headers: "Headers", curl: "curl" } as const;

interface PanelProps {
  project: string;
  id: string;
  name: (webhook: string) => string;
  /** Fetched anew whenever it changes. */
  turn: number;
  redeliver: (delivery: DeliveryDetail) => void;
}

/** One delivery: what it is about, its attempts, what is sent. */
export function DeliveryPanel({ project, id, name, turn, redeliver }: PanelProps) {
  const { data, error, again } = useLoad(
    (signal) => get("/v1/webhooks/deliveries/{delivery_id}", { in: project, path: { delivery_id: id }, signal }),
    [project, id, turn],
  );
  const delivery = data?.delivery;
  return (
    <section class="step" aria-label="The delivery">
      <div class="bar">
        <h2>{delivery ? `To ${name(delivery.webhook_id)}` : "The delivery"}</h2>
        <span class="grow" />
        <button class="icon" type="button" aria-label="Close" onClick={() => setQuery({ d: null })}>
          <Icon name="close" />
        </button>
      </div>
      {error ? <Failure tried="Loading the delivery" error={error} retry={again} /> : null}
      {delivery ? <Told project={project} delivery={delivery} /> : error ? null : <Loading />}
      {delivery && may("webhooks:write") ? (
        <footer class="foot">
          <button class="btn" type="button" onClick={() => redeliver(delivery)}>
            <Icon name="again" />
            {delivery.state === "delivered" || delivery.state === "dead" ? "Redeliver" : "Try now"}
          </button>
          <span class="quiet">keeps its id</span>
        </footer>
      ) : null}
    </section>
  );
}

function Told({ project, delivery }: { project: string; delivery: DeliveryDetail }) {
  const { attempts } = delivery;
  const counted =
    attempts.length === 0 ? "No attempt yet" : attempts.length === 1 ? "1 attempt" : `${attempts.length} attempts`;
  return (
    <div class="sum">
      <Cause project={project} delivery={delivery} />
      <div class="part-h">
        <h3>
          {counted}
          {delivery.state === "delivered" ? ", arrived" : delivery.state === "dead" ? ", given up" : ""}
        </h3>
        <span class="quiet">
          {delivery.arrived_ms !== null ? `${took(delivery.arrived_ms)} after it happened` : null}
          {delivery.next_try ? (
            <>
              the next is <NextTry at={delivery.next_try} />
            </>
          ) : null}
        </span>
      </div>
      <ol class="atts">
        {attempts.map((attempt) => (
          <Tried key={attempt.time} attempt={attempt} isFirst={attempt === attempts[0]} />
        ))}
      </ol>
      <Sent delivery={delivery} />
    </div>
  );
}

function Cause({ project, delivery }: { project: string; delivery: DeliveryDetail }) {
  const { cause, endpoint } = delivery;
  const told = (
    <>
      <span class="quiet">because of</span>
      <b>{endpoint ?? delivery.type}</b>
      {cause?.counts ? <Chips counts={chipCounts(cause.counts)} words={false} /> : null}
      <small>
        <code>{delivery.type}</code> <Ago at={delivery.time} />
        {delivery.test ? ", a test" : ""} · <code>{delivery.id}</code>
      </small>
    </>
  );
  if (endpoint === null || delivery.test) return <p class="cause">{told}</p>;
  return (
    <a class="cause" href={href(`${at("p", project, "e", endpoint)}?at=${encodeURIComponent(delivery.time)}`)}>
      {told}
    </a>
  );
}

function Tried({ attempt, isFirst }: { attempt: Attempt; isFirst: boolean }) {
  const hasArrived = attempt.class === null;
  return (
    <li>
      <span class={`st ${hasArrived ? "ok" : "failed"}`} aria-hidden="true" />
      <time dateTime={attempt.time}>{exactClock(Date.parse(attempt.time), zone.value)}</time>
      <span class="quiet">{isFirst && attempt.after_ms < 1000 ? "at once" : `after ${took(attempt.after_ms)}`}</span>
      <b>{outcome(attempt)}</b>
      <span class="n quiet">{took(attempt.ms)}</span>
      {attempt.excerpt || attempt.retry_after !== null ? (
        <small>
          {attempt.excerpt}
          {attempt.retry_after === null ? "" : ` · Retry-After: ${attempt.retry_after}`}
        </small>
      ) : null}
    </li>
  );
}

function Sent({ delivery: { request } }: { delivery: DeliveryDetail }) {
  const [part, setPart] = useState<keyof typeof PARTS>("body");
  if (!request) return <p class="none">Its address cannot be read: the server's key file is another.</p>;
  const shown = {
    body: indented(request.body),
    headers: Object.entries(request.headers)
      .map(([name, value]) => `${name}: ${value}`)
      .join("\n"),
    curl: curl(request),
  }[part];
  return (
    <>
      <div class="part-h">
        <h3>Sent</h3>
        <Segments label="Part" options={PARTS} value={part} choose={setPart} />
        <Copy text={shown} what={PARTS[part].toLowerCase()} />
      </div>
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls is reached by keys */}
      <section class="code" tabIndex={0} aria-label={PARTS[part]}>
        <pre>{shown}</pre>
      </section>
    </>
  );
}
