// biome-ignore-all lint/a11y/noSvgWithoutTitle: bars beside their numbers
import { useState } from "preact/hooks";
import { at, href } from "../state/location.ts";
import { zone } from "../state/zone.ts";
import { moment, roughly } from "../time/clock.ts";
import { type Draft, limitText, type Trial, withValue } from "./rule.ts";

/** So many are seen at first, the newest: what other limits would do stands below. */
const FIRST = 10;

export const SENT: Readonly<Record<string, string>> = {
  now: "at once",
  held: "held",
  digest: "in the digest",
  dropped: "nobody",
  muted: "muted",
  late: "too late to tell",
};

interface FiredProps {
  project: string;
  trial: Trial;
  draft: Draft;
  /** The saved limit, null of a new rule. */
  saved: number | null;
  atMs: number | null;
  onMoment: (ms: number) => void;
  onLimit: (value: number) => void;
}

/** When it would have fired, and how often with other limits. */
export function Fired({ project, trial, draft, saved, atMs, onMoment, onLimit }: FiredProps) {
  const [shown, setShown] = useState(FIRST);
  const most = Math.max(1, ...trial.sweep.map(({ fired }) => fired));
  return (
    <div class="sum">
      {trial.fired.length === 0 ? <p class="none">Never, in what is recorded.</p> : null}
      {trial.fired.length > 0 ? (
        <table class="tb fires">
          <thead>
            <tr>
              <th scope="col">Raised</th>
              <th scope="col" class="n">
                At
              </th>
              <th scope="col" class="n">
                Lasted
              </th>
              <th scope="col">Told</th>
            </tr>
          </thead>
          <tbody>
            {trial.fired
              .toReversed()
              .slice(0, shown)
              .map((each) => {
                const ms = Date.parse(each.from);
                const to = draft.endpoint
                  ? `${at("p", project, "e", draft.endpoint)}?at=${encodeURIComponent(each.from)}`
                  : null;
                return (
                  <tr key={`${each.from} ${each.record}`} aria-current={ms === atMs ? "true" : undefined}>
                    <td>
                      <button type="button" onClick={() => onMoment(ms)}>
                        <time dateTime={each.from}>{moment(ms, zone.value)}</time>
                      </button>
                      {each.label || each.record ? <small>{each.label ?? each.record}</small> : null}
                    </td>
                    <td class="n">{to ? <a href={href(to)}>{valueText(each.value)}</a> : valueText(each.value)}</td>
                    <td class="n">{each.to === null ? "still" : roughly(Date.parse(each.to) - ms)}</td>
                    <td>{SENT[each.sent] ?? each.sent}</td>
                  </tr>
                );
              })}
          </tbody>
        </table>
      ) : null}
      {trial.fired.length > shown ? (
        <button class="btn ghost more" type="button" onClick={() => setShown(trial.fired.length)}>
          Show all {trial.fired.length}
        </button>
      ) : null}
      {trial.sweep.length > 0 ? (
        <>
          <div class="part-h">
            <h3>At other limits</h3>
            <span class="quiet">times fired in the same time</span>
          </div>
          <ul class="lims">
            {trial.sweep.map(({ value, fired }) => (
              <li key={value} aria-current={value === draft.value ? "true" : undefined}>
                <button type="button" onClick={() => onLimit(value)}>
                  <span>
                    {limitText(withValue(draft, value))}
                    {value === saved ? " · as saved" : ""}
                  </span>
                  <svg class="ratio" height="4" width="100%" aria-hidden="true">
                    <rect class="all" width="100%" height="4" rx="2" />
                    <rect class="ink-f" width={`${(fired / most) * 100}%`} height="4" rx="2" />
                  </svg>
                  <b>{fired}</b>
                </button>
              </li>
            ))}
          </ul>
        </>
      ) : null}
    </div>
  );
}

export function valueText(value: unknown): string {
  const text = typeof value === "string" ? value : JSON.stringify(value ?? null);
  return text.length > 40 ? `${text.slice(0, 39)}…` : text;
}
