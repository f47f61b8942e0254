import { useRef, useState } from "preact/hooks";
import { get } from "../api.ts";
import { counted } from "../numbers.ts";
import { Ago } from "../parts/Ago.tsx";
import { Dialog } from "../parts/Dialog.tsx";
import { useLoad } from "../state/load.ts";
import { address, href, query, setQuery, withQuery } from "../state/location.ts";
import { now } from "../state/now.ts";
import { zone } from "../state/zone.ts";
import { moment, roughly } from "../time/clock.ts";
import { moveBetweenRows, useWayToRows } from "../versions/rows.ts";
import { Pick } from "./inputs.tsx";
import { choicesOf, filtered, filterOf, HIGH, recentLine, STATES, WIDE } from "./recent.ts";
import { draftOf, type Rule, subjectText } from "./rule.ts";

const SHAPES = { raised: "failed", quiet: "", muted: "muted" } as const;

/** The rules, each with its state, and what the next digest says. */
export function Rules({
  project,
  rules,
  chosen,
  turn,
}: {
  project: string;
  rules: readonly Rule[];
  chosen: string | null;
  turn: number;
}) {
  const shown = filtered(rules, filterOf(query.value));
  const list = useRef<HTMLUListElement>(null);
  useWayToRows(list);
  return (
    <>
      {rules.length > 1 ? <Filter rules={rules} shown={shown.length} /> : null}
      <ul class="side" ref={list} onKeyDown={(event) => moveBetweenRows(event, list.current)}>
        {shown.map((rule) => (
          <li key={rule.id} data-row aria-current={rule.id === chosen ? "true" : undefined}>
            <a data-open href={href(withQuery(address.value, { rule: rule.id, draft: null, at: null }))}>
              <span class={`st ${SHAPES[rule.state]}`} role="img" aria-label={rule.state} />
              <b>{rule.name}</b>
              <span class="ago">{stateText(rule)}</span>
              <small>
                {rule.endpoint_id === null ? "" : `${rule.endpoint ?? "in the bin"} · `}
                {subjectText(draftOf(rule))} {rule.limit}
              </small>
              <Recent rule={rule} />
            </a>
          </li>
        ))}
      </ul>
      <DigestNote project={project} turn={turn} />
    </>
  );
}

const NAMES = { state: "State", endpoint: "Endpoint", kind: "Kind" } as const;

/** What the list shows stands in the address. */
function Filter({ rules, shown }: { rules: readonly Rule[]; shown: number }) {
  const { endpoints, kinds } = choicesOf(rules);
  const options = {
    state: STATES,
    endpoint: Object.fromEntries(endpoints.map((each) => [each, each])),
    kind: kinds,
  } as const;
  return (
    <div class="rule-filter">
      {(["state", "endpoint", "kind"] as const).map((name) => (
        <Pick
          key={name}
          label={`Rules by ${name}`}
          value={query.value.get(name) ?? ""}
          options={{ "": NAMES[name], ...options[name] }}
          choose={(value) => setQuery({ [name]: value })}
        />
      ))}
      {shown < rules.length ? (
        <p class="quiet" role="status">
          {shown} of {counted(rules.length, "rule")}{" "}
          <button class="link" type="button" onClick={() => setQuery({ state: null, endpoint: null, kind: null })}>
            Show all
          </button>
        </p>
      ) : null}
    </div>
  );
}

function Recent({ rule }: { rule: Rule }) {
  const line = recentLine(rule);
  if (!line) return null;
  return (
    <svg class="recent" viewBox={`0 0 ${WIDE} ${HIGH}`} role="img" aria-label={line.words}>
      {line.limit === null ? null : <path class="thr" d={`M0 ${line.limit}H${WIDE}`} />}
      <path class="ln" d={line.path} />
      {line.last ? <circle cx={line.last.x} cy={line.last.y} r="1.8" /> : null}
    </svg>
  );
}

function stateText(rule: Rule): string {
  if (rule.state === "muted" && rule.muted_until)
    return `muted for ${roughly(Date.parse(rule.muted_until) - now.value)}`;
  if (rule.state === "raised" && rule.since) return `for ${roughly(now.value - Date.parse(rule.since))}`;
  return rule.state;
}

function DigestNote({ project, turn }: { project: string; turn: number }) {
  const [open, setOpen] = useState(false);
  const { data } = useLoad((signal) => get("/v1/alerts/digest", { in: project, signal }), [project, turn]);
  if (!data || data.at === null || data.lines.length === 0) return null;
  const held = data.lines.filter((line) => line.held).length;
  return (
    <div class="note-b">
      <p>
        What is told <b>{moment(Date.parse(data.at), zone.value)}</b> has {counted(data.lines.length, "line")} so far
        {held > 0 ? `, ${held} from quiet hours` : ""}.
      </p>
      <p class="bar">
        <button class="btn" type="button" onClick={() => setOpen(true)}>
          Read it now
        </button>
      </p>
      {open ? (
        <Dialog title="What is told next" close={() => setOpen(false)}>
          <ul class="digest">
            {data.lines.map((line) => (
              <li key={`${line.alert_id} ${line.what}`}>
                {line.text}{" "}
                <small class="quiet">
                  {line.what}, told <Ago at={line.at} />
                </small>
              </li>
            ))}
          </ul>
          <div class="acts">
            <button class="btn primary" type="button" onClick={() => setOpen(false)}>
              Done
            </button>
          </div>
        </Dialog>
      ) : null}
    </div>
  );
}
