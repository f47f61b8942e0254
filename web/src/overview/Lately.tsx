import { useRef, useState } from "preact/hooks";
import type { Row } from "../compare/lines.ts";
import { distance, timeOf } from "../compare/numbers.ts";
import { count } from "../numbers.ts";
import { Ago } from "../parts/Ago.tsx";
import { Failure } from "../parts/Failure.tsx";
import { Icon } from "../parts/Icon.tsx";
import { Later } from "../parts/Later.tsx";
import { at, href } from "../state/location.ts";
import { zone as readersZone } from "../state/zone.ts";
import { clock, shortDay } from "../time/clock.ts";
import { type Feed, type Item, minutes, quietWords } from "./feed.ts";
import { pathText, valueText } from "./rowtext.ts";

const picker = () => import("./FeedPicker.tsx");

interface LatelyProps {
  project: string;
  feed: Feed;
  error: unknown;
  retry: () => void;
  busy: boolean;
  zone: string;
  /** Which stretch or endpoints it is narrowed to, in words; null where it shows all. */
  narrowed: string | null;
  onAll: () => void;
  endpoints: readonly { name: string }[];
  /** All of them are wanted: somebody chooses among them. */
  onChoosing: () => void;
  /** The endpoints it is narrowed to; empty of all. */
  only: readonly string[];
  onOnly: (names: readonly string[]) => void;
  /** Whether somebody reads: news waits meanwhile. */
  onReading: (reading: boolean) => void;
  onRelease: () => void;
}

/** What changed last, of all endpoints, by the minute. */
export function Lately(props: LatelyProps) {
  const { feed, zone } = props;
  const section = useRef<HTMLElement>(null);
  const leave = (event: FocusEvent) => {
    const inside = section.current?.contains(event.relatedTarget as Node | null) || section.current?.matches(":hover");
    if (!inside) props.onReading(false);
  };
  return (
    <section
      ref={section}
      class="feed"
      aria-labelledby="h-feed"
      onPointerEnter={(event) => event.pointerType === "mouse" && props.onReading(true)}
      onPointerLeave={() => props.onReading(false)}
      onFocusIn={() => props.onReading(true)}
      onFocusOut={leave}
    >
      <div class="bar">
        <h2 id="h-feed">Lately</h2>
        {feed.waiting.length > 0 ? (
          <button class="btn" type="button" onClick={props.onRelease}>
            {count(feed.waiting.length)} new
          </button>
        ) : null}
        {props.narrowed === null ? null : (
          <button class="btn ghost" type="button" onClick={props.onAll}>
            {props.narrowed} <span aria-hidden="true">×</span>
            <span class="sr">: show all again</span>
          </button>
        )}
        {props.endpoints.length > 1 ? <Which {...props} /> : null}
      </div>
      {props.error ? <Failure tried="Looking for changes" error={props.error} retry={props.retry} /> : null}
      {minutes(feed.items).map(({ atMs, items }) => (
        <div key={atMs}>
          <h3>
            <span>
              {dayLead(atMs, zone)}
              {clock(atMs, zone)}
            </span>
            <small>
              <Ago at={new Date(atMs).toISOString()} />
            </small>
          </h3>
          {items.map((item) => (
            <ItemLink key={item.id} project={props.project} item={item} />
          ))}
        </div>
      ))}
      {feed.items.length === 0 && !props.error && !props.busy ? (
        <p class="quiet none">{props.narrowed === null ? "No changes yet." : "No changes there."}</p>
      ) : null}
    </section>
  );
}

/** Which endpoints it is narrowed to; the list of them is fetched once somebody opens it. */
function Which({ endpoints, only, onOnly, onChoosing }: LatelyProps) {
  const [open, setOpen] = useState(false);
  const place = useRef<HTMLDivElement>(null);
  const close = () => {
    setOpen(false);
    place.current?.querySelector("button")?.focus();
  };
  return (
    <div class="feed-which" ref={place}>
      <button
        class="btn ghost"
        type="button"
        aria-haspopup="dialog"
        aria-expanded={open}
        onClick={() => {
          if (!open) onChoosing();
          setOpen(!open);
        }}
      >
        Endpoints <Icon name="down" />
      </button>
      {open ? (
        <Later from={picker} props={{ names: endpoints.map((one) => one.name), chosen: only, choose: onOnly, close }} />
      ) : null}
    </div>
  );
}

function dayLead(ms: number, zone: string): string {
  const day = shortDay(ms, zone);
  return day === shortDay(Date.now(), zone) ? "" : `${day} `;
}

function ItemLink({ project, item }: { project: string; item: Item }) {
  const left = item.changes - item.rows.length;
  const to = `${at("p", project, "e", item.endpoint, "compare")}?a=${item.fromId}&b=${item.toId}`;
  return (
    <a class="item" href={href(to)}>
      <span class="ep">{item.endpoint}</span>
      <ul>
        {item.rows.map((row, i) => (
          <Line key={i} row={row} />
        ))}
        {item.rows.length === 0 ? <li class="quiet">{quietWords(item.kind)}</li> : null}
        {item.rows.length > 0 && left > 0 ? <li class="quiet">and {count(left)} more</li> : null}
      </ul>
    </a>
  );
}

const GLYPHS: Record<Row["op"], [glyph: string, kind: string]> = {
  add: ["+", "added"],
  remove: ["−", "removed"],
  replace: ["~", "changed"],
  move: ["↕", "moved"],
  same: ["", "unchanged"],
};

function Line({ row }: { row: Row }) {
  const [glyph, kind] = GLYPHS[row.op];
  const whole = row.record !== "" && row.at === "";
  return (
    <li>
      <span class={`g ${kind}`} role="img" aria-label={kind}>
        {glyph}
      </span>
      {row.record === "" ? null : <span class="rec">{row.label ?? row.record}</span>}
      {whole ? null : <code>{pathText(row.at)}</code>}
      {whole ? null : <Values row={row} />}
    </li>
  );
}

function Values({ row }: { row: Row }) {
  if (row.op === "remove") return <span class="val">{valueText(row.old)}</span>;
  if (row.op === "add") {
    return (
      <span class="val">
        <b>{valueText(row.new)}</b>
      </span>
    );
  }
  if (row.op === "move") return null;
  const [was, is] = [timeOf(row.at, row.old ?? ""), timeOf(row.at, row.new ?? "")];
  if (was !== null && is !== null) {
    return (
      <span class="val">
        <b>{clock(is, readersZone.value)}</b> {distance(was, is)}
      </span>
    );
  }
  return (
    <span class="val">
      {valueText(row.old)} → <b>{valueText(row.new)}</b>
    </span>
  );
}
