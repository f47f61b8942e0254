import type { VNode } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { Icon } from "../parts/Icon";
import { useFocusBack } from "../state/focusBack";
import type { Bar } from "./bars";
import { moment as said, zoneName } from "./clock";
import { dayOf, dayStart, type Moment, parseMoment, zonedMs } from "./moments";
import { monthDays, monthName, perDay } from "./month";

export interface MomentPickerProps {
  shownMs: number;
  nowMs: number;
  zone: string;
  /** All bars there are: days with more changes are darker. */
  bars: readonly Bar[];
  onPick: (moment: Moment) => void;
  onClose: () => void;
}

/** A time as it is typed, or a day of a month in which the days with changes are shaded. */
export function MomentPicker({ shownMs, nowMs, zone, bars, onPick, onClose }: MomentPickerProps): VNode {
  const input = useRef<HTMLInputElement>(null);
  const box = useRef<HTMLDivElement>(null);
  const [typed, setTyped] = useState("");
  const [monthMs, setMonth] = useState(shownMs);
  useFocusBack(box);
  useEffect(() => {
    input.current?.focus();
    const outside = (event: PointerEvent): void => {
      if (!box.current?.parentElement?.contains(event.target as Node)) onClose();
    };
    document.addEventListener("pointerdown", outside);
    return () => document.removeEventListener("pointerdown", outside);
  }, [onClose]);
  const meant = typed.trim() === "" ? null : parseMoment(typed, { nowMs, shownMs, zone });
  const submit = (event: Event): void => {
    event.preventDefault();
    if (meant) onPick(meant);
  };
  return (
    <div
      ref={box}
      class="picker"
      role="dialog"
      aria-label="Choose a moment"
      onKeyDown={(event) => {
        if (event.key !== "Escape") return;
        event.stopPropagation();
        onClose();
      }}
    >
      <form onSubmit={submit}>
        <label class="filter wide">
          <span class="sr">Time ({zoneName(shownMs, zone)}), age, version or id</span>
          <input
            ref={input}
            value={typed}
            placeholder="2025-05-22 05:03, yesterday 9:00, 3d, 137"
            aria-invalid={typed.trim() !== "" && !meant}
            autocomplete="off"
            spellcheck={false}
            onInput={(event) => setTyped(event.currentTarget.value)}
          />
        </label>
        <p class="meant" role="status">
          {typed.trim() === ""
            ? `Times are in ${zoneName(shownMs, zone)}; a version's number or id is taken too`
            : meant
              ? meaning(meant, zone)
              : "Not understood. Try 2025-05-22 05:03, 3d, or a version such as 137."}
        </p>
      </form>
      <Month
        monthMs={monthMs}
        shownMs={shownMs}
        zone={zone}
        bars={bars}
        onMonth={setMonth}
        onPick={(ms) => onPick({ kind: "time", ms })}
      />
      <footer>
        <button class="btn ghost" type="button" onClick={() => onPick({ kind: "latest" })}>
          Latest
        </button>
        <button class="btn ghost" type="button" onClick={() => onPick({ kind: "version", number: 1 })}>
          The first
        </button>
      </footer>
    </div>
  );
}

function meaning(meant: Moment, zone: string): string {
  if (meant.kind === "latest") return "The latest version, and those that come";
  if (meant.kind === "version") return `Version ${meant.number.toLocaleString()}`;
  return meant.kind === "snapshot"
    ? "The snapshot with this id"
    : `${said(meant.ms, zone)} ${zoneName(meant.ms, zone)}`;
}

interface MonthProps {
  monthMs: number;
  shownMs: number;
  zone: string;
  bars: readonly Bar[];
  onMonth: (ms: number) => void;
  onPick: (ms: number) => void;
}

function Month({ monthMs, shownMs, zone, bars, onMonth, onPick }: MonthProps): VNode {
  const changes = perDay(bars, zone);
  const most = Math.max(1, ...changes.values());
  const { year, month } = dayOf(monthMs, zone);
  const other = (step: number): void => onMonth(zonedMs(Date.UTC(year, month - 1 + step, 1), zone));
  return (
    <div class="month">
      <header>
        <button class="icon" type="button" aria-label="The month before" onClick={() => other(-1)}>
          <Icon name="left" />
        </button>
        <b>{monthName(monthMs, zone)}</b>
        <button class="icon" type="button" aria-label="The month after" onClick={() => other(1)}>
          <Icon name="right" />
        </button>
      </header>
      <div class="days">
        {["Mo", "Tu", "We", "Th", "Fr", "Sa", "Su"].map((name) => (
          <span key={name} aria-hidden="true">
            {name}
          </span>
        ))}
        {monthDays(year, month, zone).map((day, i) =>
          day === null ? (
            <span key={`before ${i}`} />
          ) : (
            <button
              key={day.ms}
              type="button"
              class={`shade-${shade(changes.get(day.ms) ?? 0, most)}`}
              aria-current={dayStart(shownMs, zone) === day.ms ? "date" : undefined}
              aria-label={`${day.day}, ${(changes.get(day.ms) ?? 0).toLocaleString()} changes`}
              onClick={() => onPick(Math.min(day.endMs, Math.max(day.ms, day.endMs - 1)))}
            >
              {day.day}
            </button>
          ),
        )}
      </div>
    </div>
  );
}

function shade(changes: number, most: number): number {
  return changes === 0 ? 0 : Math.min(4, 1 + Math.floor((changes / most) * 3.99));
}
