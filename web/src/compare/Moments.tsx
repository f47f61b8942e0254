import type { JSX } from "preact";
import { useState } from "preact/hooks";
import { bytes } from "../numbers.ts";
import { Icon } from "../parts/Icon.tsx";
import type { Bar, Span } from "../time/bars.ts";
import { exactClock, moment, shortDay, zoneName } from "../time/clock.ts";
import { type Moment, parseMoment } from "../time/moments.ts";
import { Pop } from "./Pop.tsx";
import { Strip } from "./Strip.tsx";

/** A version as one end of a comparison. */
export interface End {
  id: string;
  ms: number;
  bytes: number;
  /** Its place among the versions, where it is told. */
  number: number | null;
  /** A time just before the last change up to it, and that of the next change after it. */
  previousChange: number | null;
  nextChange: number | null;
}

export type Side = "a" | "b";

export interface Preset {
  name: string;
  /** null where there is none. */
  moment: Moment | null;
}

interface MomentsProps {
  a: End | null;
  b: End | null;
  bars: readonly Bar[];
  bucketMs: number | null;
  whole: Span | null;
  zone: string;
  /** Whether the changes beside A and B are theirs, or still those of the moments before. */
  isSettled: boolean;
  presets: (side: Side) => Preset[];
  choose: (side: Side, moment: Moment) => void;
  swap: () => void;
}

export function Moments(props: MomentsProps): JSX.Element {
  const { a, b, whole } = props;
  return (
    <section class="ab" aria-label="The two moments">
      <OneMoment side="a" end={a} props={props} />
      <div class="abline">{whole && <Between a={a} b={b} props={props} whole={whole} />}</div>
      <OneMoment side="b" end={b} props={props} />
    </section>
  );
}

function OneMoment({ side, end, props }: { side: Side; end: End | null; props: MomentsProps }): JSX.Element {
  const name = side.toUpperCase();
  const step = (ms: number | null | undefined, word: string, icon: "left" | "right") => (
    <button
      type="button"
      class="icon"
      aria-label={`${name} one change ${word}`}
      disabled={ms === null || ms === undefined}
      onClick={() => props.isSettled && typeof ms === "number" && props.choose(side, { kind: "time", ms })}
    >
      <Icon name={icon} />
    </button>
  );
  return (
    <div class={`mom ${side}`}>
      <div>
        <Pop class="moment" label={`Choose ${name}`} button={<Shown side={side} end={end} zone={props.zone} />}>
          {(close) => <Choice side={side} end={end} props={props} close={close} />}
        </Pop>
        <small>{end ? `${end.number === null ? "" : `version ${end.number} · `}${bytes(end.bytes)}` : " "}</small>
      </div>
      <span class="steps">
        {step(end?.previousChange, "earlier", "left")}
        {step(end?.nextChange, "later", "right")}
      </span>
      {side === "b" && (
        <button type="button" class="icon swap" aria-label="Swap A and B" onClick={props.swap}>
          <Icon name="swap" />
        </button>
      )}
    </div>
  );
}

function Shown({ side, end, zone }: { side: Side; end: End | null; zone: string }): JSX.Element {
  return (
    <>
      <i class="pin">{side.toUpperCase()}</i>
      <b>{end ? shortDay(end.ms, zone) : "…"}</b>
      <b class="clock">{end ? exactClock(end.ms, zone) : ""}</b>
      <Icon name="down" />
    </>
  );
}

interface ChoiceProps {
  side: Side;
  end: End | null;
  props: MomentsProps;
  close: () => void;
}

function Choice({ side, end, props, close }: ChoiceProps): JSX.Element {
  const [typed, setTyped] = useState("");
  const [failed, setFailed] = useState(false);
  const choose = (moment: Moment) => {
    close();
    props.choose(side, moment);
  };
  const submit = (event: Event) => {
    event.preventDefault();
    const parsed = parseMoment(typed, { nowMs: Date.now(), shownMs: end?.ms ?? Date.now(), zone: props.zone });
    if (parsed) choose(parsed);
    else setFailed(true);
  };
  return (
    <>
      <ul>
        {props.presets(side).map(({ name, moment: found }) => (
          <li key={name}>
            <button type="button" disabled={!found} onClick={() => found && choose(found)}>
              {name}
            </button>
          </li>
        ))}
      </ul>
      <form onSubmit={submit}>
        <label>
          Time ({zoneName(end?.ms ?? 0, props.zone)}), age, version or id
          <input
            type="text"
            placeholder="yesterday 9:00"
            value={typed}
            aria-invalid={failed}
            onInput={(event) => {
              setTyped(event.currentTarget.value);
              setFailed(false);
            }}
          />
        </label>
        {failed && <p role="alert">Not understood. Try 2025-05-22 05:03, 3d, or a version such as 137.</p>}
      </form>
    </>
  );
}

function Between({
  a,
  b,
  props,
  whole,
}: {
  a: End | null;
  b: End | null;
  props: MomentsProps;
  whole: Span;
}): JSX.Element {
  const { zone } = props;
  const range = a && b ? { fromMs: Math.min(a.ms, b.ms), toMs: Math.max(a.ms, b.ms) } : null;
  const needles = [...(a ? [{ name: "A", ms: a.ms }] : []), ...(b ? [{ name: "B", ms: b.ms }] : [])];
  return (
    <Strip
      bars={props.bars}
      bucketMs={props.bucketMs}
      whole={whole}
      zone={zone}
      label={a && b ? `A ${moment(a.ms, zone)}, B ${moment(b.ms, zone)}` : "The two moments in time"}
      range={range}
      fades={(bar) => range !== null && (bar.ms <= range.fromMs || bar.ms > range.toMs)}
      needles={needles}
    />
  );
}
