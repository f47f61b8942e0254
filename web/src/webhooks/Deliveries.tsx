import { useRef } from "preact/hooks";
import { Chips } from "../document/Chips.tsx";
import { Failure } from "../parts/Failure.tsx";
import { Icon } from "../parts/Icon.tsx";
import { Loading } from "../parts/Loading.tsx";
import { Segments } from "../parts/Segments.tsx";
import { address, href, query, setQuery, withQuery } from "../state/location.ts";
import type { Pages } from "../state/pages.ts";
import { zone } from "../state/zone.ts";
import { exactClock, longDay } from "../time/clock.ts";
import { moveBetweenRows, useWayToRows } from "../versions/rows.ts";
import { chipCounts, type Delivery, deliveryShape, KINDS, took } from "./words.ts";

const SHOWN = { all: "All", waiting: "Waiting", trouble: "Late or failed" } as const;
export type Shown = keyof typeof SHOWN;

/** The states that a choice stands for, as the server is asked for them. */
export const STATES: Record<Shown, ("waiting" | "failed" | "dead" | "late")[]> = {
  all: [],
  waiting: ["waiting", "failed"],
  trouble: ["failed", "dead", "late"],
};

export function shownOf(state: string | null): Shown {
  return state !== null && state in SHOWN ? (state as Shown) : "all";
}

/** The bar over the deliveries, and them. */
export function Deliveries({
  pages,
  names,
  open,
}: {
  pages: Pages<Delivery>;
  names: ReadonlyMap<string, string>;
  open: string | null;
}) {
  return (
    <section class="doc" aria-label="Deliveries">
      <div class="bar">
        <label class="filter">
          <Icon name="search" />
          <input
            type="search"
            placeholder="Type or endpoint"
            aria-label="Search deliveries"
            data-search
            value={query.value.get("q") ?? ""}
            onInput={(event) => setQuery({ q: event.currentTarget.value }, { replace: true })}
          />
        </label>
        <Segments
          label="Show"
          options={SHOWN}
          value={shownOf(query.value.get("state"))}
          choose={(state) => setQuery({ state: state === "all" ? null : state })}
        />
        <span class="grow" />
        <select
          aria-label="Type"
          value={query.value.get("type") ?? ""}
          onChange={(event) => setQuery({ type: event.currentTarget.value || null })}
        >
          <option value="">Every type</option>
          {Object.keys(KINDS).map((kind) => (
            <option key={kind}>{kind}</option>
          ))}
        </select>
      </div>
      {pages.busy ? <Loading label="Loading deliveries" /> : null}
      <div class="tree">
        <List pages={pages} names={names} open={open} />
        {pages.error ? <Failure tried="Loading deliveries" error={pages.error} retry={pages.again} /> : null}
        {pages.more && !pages.error ? (
          <button class="btn ghost more" type="button" onClick={pages.next} aria-disabled={pages.busy}>
            Show more
          </button>
        ) : null}
      </div>
    </section>
  );
}

function List({
  pages,
  names,
  open,
}: {
  pages: Pages<Delivery>;
  names: ReadonlyMap<string, string>;
  open: string | null;
}) {
  const body = useRef<HTMLTableSectionElement>(null);
  useWayToRows(body);
  if (!pages.data) return null;
  if (pages.data.length === 0) {
    return pages.more ? null : (
      <p class="none">{isFiltered() ? "No delivery is like that." : "Nothing was sent yet."}</p>
    );
  }
  let day = "";
  return (
    <table class="tb del">
      <thead>
        <tr>
          <th scope="col">
            <span class="sr">State</span>
          </th>
          <th scope="col">Happened</th>
          <th scope="col">Type</th>
          <th scope="col">What</th>
          <th scope="col">To</th>
          <th scope="col">Attempts</th>
          <th scope="col" class="n">
            Arrived in
          </th>
        </tr>
      </thead>
      <tbody ref={body} onKeyDown={(event) => moveBetweenRows(event, body.current)}>
        {pages.data.flatMap((delivery) => {
          const own = longDay(Date.parse(delivery.time), zone.value);
          const head = own === day ? [] : [<Day key={own} name={own} />];
          day = own;
          const key = `${delivery.webhook_id} ${delivery.id}`;
          return [
            ...head,
            <Row
              key={key}
              delivery={delivery}
              to={names.get(delivery.webhook_id) ?? ""}
              isOpen={delivery.id === open}
            />,
          ];
        })}
      </tbody>
    </table>
  );
}

function isFiltered(): boolean {
  return ["q", "state", "type", "hook"].some((name) => query.value.has(name));
}

function Day({ name }: { name: string }) {
  return (
    <tr class="dayr">
      <th colSpan={7} scope="rowgroup">
        {name}
      </th>
    </tr>
  );
}

function Row({ delivery, to, isOpen }: { delivery: Delivery; to: string; isOpen: boolean }) {
  const [shape, word] = deliveryShape(delivery);
  const { counts } = delivery.cause ?? {};
  return (
    <tr data-row tabIndex={-1} aria-current={isOpen ? "true" : undefined}>
      <td class="stc">
        <span class={`st ${shape}`} role="img" aria-label={word} />
      </td>
      <td>
        <a data-open href={href(withQuery(address.value, { d: delivery.id }))}>
          <time dateTime={delivery.time}>{exactClock(Date.parse(delivery.time), zone.value)}</time>
        </a>
      </td>
      <td>
        <code>{delivery.type}</code>
        {delivery.test ? <small> test</small> : null}
      </td>
      <td class="what">
        <div>
          <bdi>{delivery.endpoint ?? ""}</bdi>
          {counts ? <Chips counts={chipCounts(counts)} words={false} /> : null}
        </div>
      </td>
      <td class="to">{to}</td>
      <td>
        <Marks delivery={delivery} />
      </td>
      <td class="n">{delivery.arrived_ms === null ? "" : took(delivery.arrived_ms)}</td>
    </tr>
  );
}

/** A mark an attempt, the last eight of them, and one for that which comes. */
function Marks({ delivery }: { delivery: Delivery }) {
  const { attempts } = delivery;
  return (
    <span class="marks" role="img" aria-label={attempts.length === 1 ? "1 attempt" : `${attempts.length} attempts`}>
      {[...attempts.slice(-8)].map((each, i) => (
        <i key={i} class={each === "o" ? "yes" : "no"} />
      ))}
      {delivery.next_try ? <i class="wait" /> : null}
    </span>
  );
}
