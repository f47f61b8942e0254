import type { VNode } from "preact";
import { useEffect, useRef } from "preact/hooks";

import { difference, timeOf } from "../compare/numbers";
import { short } from "../numbers";
import { Icon } from "../parts/Icon";
import { copied } from "../state/copying";
import { moment, plainDay, reading, roughly } from "../time/clock";
import type { ValueHistory, ValueTime } from "./history";
import { numberOf, valueAt } from "./history";
import { stepLine } from "./since";

export interface HistoryPanelProps {
  history: ValueHistory;
  /** What the value was before, as it is known while the history is on its way. */
  was: string;
  /** The moment that is looked at, and the stretch that is kept. */
  shownMs: number;
  zone: string;
  numberOfVersion: (id: string) => number | null;
  onGo: (at: ValueTime) => void;
  onClose: () => void;
  links: { chart: string | null; compare: string | null; all: string };
  onIgnore: () => void;
}

const LISTED = 6;

/** Every value that a place in the document had: a line where they are numbers, and a list with the one of this moment. */
export function HistoryPanel(props: HistoryPanelProps): VNode {
  const { history, shownMs, zone } = props;
  const box = useRef<HTMLDivElement>(null);
  const path = history.path;
  useEffect(() => {
    box.current?.focus();
  }, [path]);
  const at = valueAt(history.values, shownMs);
  const walk = (step: number): void => {
    const next = history.values[at + step];
    if (next) props.onGo(next);
  };
  const keys = (event: KeyboardEvent): void => {
    const step = { ArrowLeft: -1, ArrowDown: -1, ArrowRight: 1, ArrowUp: 1 }[event.key];
    if (step === undefined && event.key !== "Escape") return;
    event.preventDefault();
    event.stopPropagation();
    if (step === undefined) props.onClose();
    else walk(step);
  };
  const name = path.slice(path.lastIndexOf("/") + 1);
  return (
    <div
      ref={box}
      class="pop history"
      role="dialog"
      aria-modal="false"
      aria-label={`History of ${path}`}
      tabIndex={-1}
      onKeyDown={keys}
    >
      <header>
        <code title={path}>
          <span>{path.slice(0, path.length - name.length)}</span>
          <b>{name}</b>
        </code>
        <button
          class="icon"
          type="button"
          aria-label="Copy the path"
          onClick={() => copied(path, "The path is copied")}
        >
          <Icon name="copy" />
        </button>
        <button class="icon" type="button" aria-label="Close" onClick={props.onClose}>
          <Icon name="close" />
        </button>
      </header>
      <Headline history={history} was={props.was} at={at} shownMs={shownMs} zone={zone} />
      {history.loading ? <div class="hl blank" /> : <Line {...props} />}
      <List {...props} at={at} />
      <Foot {...props} />
    </div>
  );
}

function Headline({
  history,
  was,
  at,
  shownMs,
  zone,
}: {
  history: ValueHistory;
  was: string;
  at: number;
  shownMs: number;
  zone: string;
}): VNode {
  const now = history.values[at];
  const before = history.values[at - 1];
  const ms = now?.text ? timeOf(history.path, now.text) : null;
  return (
    <p class="big">
      <b class={now?.text && now.text.length > 18 ? "long" : ""}>{said(now)}</b>
      <span>
        {ms !== null && !now?.text?.startsWith('"') && `${reading(ms, zone, shownMs)} · `}
        {before ? `was ${shorter(said(before), 28)} · ` : history.loading && was && `${shorter(was, 32)} · `}
        {history.changes > 0 ? (
          <>
            changed <b>{history.changes === 1 ? "once" : `${history.changes.toLocaleString()} times`}</b> in{" "}
            {roughly(history.toMs - history.fromMs)}
            {history.share !== null && `, in ${percent(history.share)} of the versions`}
          </>
        ) : history.loading ? (
          "…"
        ) : (
          "never changed"
        )}
      </span>
    </p>
  );
}

export function said(at: ValueTime | undefined): string {
  if (!at) return "";
  return at.text ?? "not there";
}

function shorter(text: string, most: number): string {
  return text.length > most ? `${text.slice(0, most - 1)}…` : text;
}

export function percent(share: number): string {
  const hundred = share * 100;
  const exact = hundred < 1 || (hundred >= 99 && hundred < 100); // what is nearly all is not all
  return `${exact ? (Math.floor(hundred * 10) / 10).toFixed(1) : Math.round(hundred)}\u2009%`;
}

const WIDE = 328;
const TALL = 60;

/** The numbers as a step line with the needle; where the value was not there it is broken. */
function Line({ history, shownMs, zone, onGo }: HistoryPanelProps): VNode | null {
  const numbers = history.values.map(numberOf);
  const known = numbers.filter((value): value is number => value !== null);
  if (known.length < 2 || known.length < history.values.length / 2) return null;
  const times = history.values.map((value) => value.ms);
  const path = stepLine([...times, history.toMs], [...numbers, numbers.at(-1) ?? null], WIDE, TALL + 4);
  const x = (ms: number): number =>
    ((ms - (times[0] as number)) / Math.max(1, history.toMs - (times[0] as number))) * WIDE;
  const [low, high] = [Math.min(...known), Math.max(...known)];
  const at = valueAt(history.values, shownMs);
  const value = numbers[at] ?? null;
  const y = (number: number): number => TALL + 2 - ((number - low) / (high - low || 1)) * TALL;
  const click = (event: MouseEvent): void => {
    const there = (event.currentTarget as Element).getBoundingClientRect();
    const ms =
      (times[0] as number) +
      ((event.clientX - there.left) / there.width) * (372 / WIDE) * (history.toMs - (times[0] as number));
    const next = history.values[valueAt(history.values, ms)];
    if (next) onGo(next);
  };
  return (
    // biome-ignore lint/a11y/useKeyWithClickEvents: arrows walk the same values from anywhere in the panel
    <svg class="hl" viewBox="0 0 372 92" role="img" aria-label={`Values from ${low} to ${high}`} onClick={click}>
      <g transform="translate(0 4)">
        <path class="rule" d={`M0 2H${WIDE}M0 ${TALL + 2}H${WIDE}`} />
        <path class="area" d={`${path.replace(/^M([\d.]+) /, `M$1 72V`)}V72Z`} />
        <path class="ln" d={path} />
        <line class="at" x1={x(shownMs)} x2={x(shownMs)} y1="0" y2="72" />
        {value !== null && <circle class="pt" cx={x(shownMs)} cy={y(value)} r="3.6" />}
        <text x="334" y="6">
          {short(history.values[numbers.indexOf(high)]?.text ?? "")}
        </text>
        <text x="334" y={TALL + 5}>
          {short(history.values[numbers.indexOf(low)]?.text ?? "")}
        </text>
        <text class="x" x="0" y="86">
          {plainDay(times[0] as number, zone)}
        </text>
        <text class="x end" x={WIDE} y="86">
          {plainDay(history.toMs, zone)}
        </text>
      </g>
    </svg>
  );
}

function List({ history, zone, onGo, numberOfVersion, at }: HistoryPanelProps & { at: number }): VNode {
  const last = Math.min(history.values.length - 1, Math.max(at + 1, LISTED - 1));
  const listed = history.values.slice(Math.max(0, last - LISTED + 1), last + 1).reverse();
  return (
    <ol>
      {listed.map((value, i) => {
        const before = listed[i + 1] ?? history.values[history.values.indexOf(value) - 1];
        const number = numberOfVersion(value.id);
        return (
          <li key={value.id} aria-current={history.values[at] === value ? "true" : undefined}>
            <button type="button" onClick={() => onGo(value)}>
              <time dateTime={new Date(value.ms).toISOString()}>{moment(value.ms, zone)}</time>
              <b title={value.text ?? ""}>{shorter(said(value), 40)}</b>
              <span class="d">{before?.text && value.text ? difference(before.text, value.text) : ""}</span>
              <span class="vn">{number === null ? "" : `version ${number.toLocaleString()}`}</span>
            </button>
          </li>
        );
      })}
    </ol>
  );
}

function Foot({ links, onIgnore, history }: HistoryPanelProps): VNode {
  return (
    <footer>
      {links.chart && (
        <a class="btn" href={links.chart}>
          <Icon name="chart" />
          Chart
        </a>
      )}
      <button class="btn" type="button" onClick={onIgnore}>
        <Icon name="ignore" />
        Ignore
      </button>
      {links.compare && (
        <a class="btn" href={links.compare}>
          <Icon name="compare" />
          Compare
        </a>
      )}
      <span class="grow" />
      <a class="btn ghost" href={links.all}>
        All {history.changes.toLocaleString()}
      </a>
    </footer>
  );
}
