import { percent } from "../numbers.ts";
import { address, href, withQuery } from "../state/location.ts";
import { may } from "../state/may.ts";
import { now } from "../state/now.ts";
import { roughly } from "../time/clock.ts";
import { NextTry } from "./NextTry.tsx";
import { offText, type Webhook, webhookShape } from "./words.ts";

const HEIGHT = 14;

/** The webhooks, how each is doing, and what to do about the chosen one. */
export function Side({
  webhooks,
  chosen,
  act,
}: {
  webhooks: readonly Webhook[];
  chosen: Webhook | null;
  act: (what: "enable" | "recover", webhook: Webhook) => void;
}) {
  return (
    <>
      <ul class="side">
        {webhooks.map((webhook) => {
          const [shape, word] = webhookShape(webhook);
          const isChosen = webhook.id === chosen?.id;
          const to = withQuery(address.value, { hook: isChosen ? null : webhook.id, d: null });
          return (
            <li key={webhook.id} aria-current={isChosen ? "true" : undefined}>
              <a href={href(to)}>
                <span class={`st ${shape}`} role="img" aria-label={word} />
                <b>{webhook.name}</b>
                <span class="ago">{typeof webhook.share === "number" ? percent(webhook.share) : ""}</span>
                <small>
                  {webhook.format === "delta" ? "" : `${webhook.format} · `}
                  {webhook.host}
                </small>
                <Strip spark={webhook.spark ?? []} />
              </a>
            </li>
          );
        })}
      </ul>
      {chosen ? <State webhook={chosen} act={act} /> : null}
    </>
  );
}

/** Deliveries that arrived, by four hours; where attempts failed, that stands in ink. */
function Strip({ spark }: { spark: readonly (readonly [number, number] | number[])[] }) {
  const most = Math.max(1, ...spark.map(([arrived = 0, failed = 0]) => arrived + failed));
  return (
    <svg class="strip" viewBox={`0 0 ${spark.length * 4 || 1} ${HEIGHT}`} preserveAspectRatio="none" aria-hidden="true">
      {spark.map(([arrived = 0, failed = 0], i) => {
        const height = arrived + failed === 0 ? 0 : 2 + ((arrived + failed) / most) * (HEIGHT - 2);
        const bad = failed === 0 ? 0 : Math.max(2, (failed / (arrived + failed)) * height);
        return [
          <rect key={i} class="got" x={i * 4} y={HEIGHT - height} width="3" height={height} />,
          bad > 0 ? <rect key={`${i} bad`} class="bad" x={i * 4} y={HEIGHT - bad} width="3" height={bad} /> : null,
        ];
      })}
    </svg>
  );
}

function State({ webhook, act }: { webhook: Webhook; act: (what: "enable" | "recover", webhook: Webhook) => void }) {
  const waiting = webhook.waiting ?? 0;
  if (webhook.state === "on" && waiting === 0) return null;
  return (
    <div class="note-b">
      <p>
        {webhook.state === "off" ? (
          <>
            <b>{webhook.name}</b> is off. {offText(webhook.disabled_reason)}
          </>
        ) : (
          <>
            <b>{webhook.name}</b>{" "}
            {webhook.failing_since ? (
              <>has not taken anything for {roughly(now.value - Date.parse(webhook.failing_since))}.</>
            ) : (
              "is being sent to."
            )}
          </>
        )}{" "}
        {waiting > 0 ? `${waiting.toLocaleString()} wait` : ""}
        {waiting > 0 && webhook.next_try ? (
          <>
            ; the next try is <NextTry at={webhook.next_try} />.
          </>
        ) : waiting > 0 ? (
          "."
        ) : (
          ""
        )}
      </p>
      <p class="bar">
        {webhook.state === "off" && may("webhooks:admin") ? (
          <button class="btn" type="button" onClick={() => act("enable", webhook)}>
            Turn on
          </button>
        ) : null}
        {may("webhooks:write") ? (
          <button class="btn" type="button" onClick={() => act("recover", webhook)}>
            Recover…
          </button>
        ) : null}
      </p>
    </div>
  );
}
