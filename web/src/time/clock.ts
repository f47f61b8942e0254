/** How times are written on the pages: in the reader's zone and language, as short as what stands beside them allows. */

import type { Tick } from "./bars";

type Parts = Intl.DateTimeFormatOptions;

const formats = new Map<string, Intl.DateTimeFormat>();

function format(ms: number, zone: string, parts: Parts): string {
  const name = `${zone} ${JSON.stringify(parts)}`;
  let made = formats.get(name);
  if (!made) {
    made = new Intl.DateTimeFormat(language(), { ...parts, timeZone: zone });
    formats.set(name, made);
  }
  return made.format(ms);
}

/** English of the reader's region where the reader's language is English; the pages speak English. */
function language(): string {
  const own = typeof navigator === "undefined" ? "en-GB" : navigator.language;
  return own.startsWith("en") && own !== "en-US" ? own : "en-GB";
}

const DAY: Parts = { weekday: "short", day: "numeric", month: "short" };
const CLOCK: Parts = { hour: "2-digit", minute: "2-digit", hourCycle: "h23" };
const EXACT: Parts = { ...CLOCK, second: "2-digit" };

/** "Thu 22 May 2025" */
export function longDay(ms: number, zone: string): string {
  return format(ms, zone, { ...DAY, year: "numeric" }).replaceAll(",", "");
}

/** "Thu 22 May" */
export function shortDay(ms: number, zone: string): string {
  return format(ms, zone, DAY).replaceAll(",", "");
}

/** "22 May" */
export function plainDay(ms: number, zone: string): string {
  return format(ms, zone, { day: "numeric", month: "short" });
}

/** "05:03:08" */
export function exactClock(ms: number, zone: string): string {
  return format(ms, zone, EXACT);
}

/** "05:03" */
export function clock(ms: number, zone: string): string {
  return format(ms, zone, CLOCK);
}

/** "Thu 22 May 05:03" */
export function moment(ms: number, zone: string): string {
  return `${shortDay(ms, zone)} ${clock(ms, zone)}`;
}

/** "22 May 05:02:37", with the year where it is another one than `near`'s. */
export function reading(ms: number, zone: string, near: number): string {
  const year = format(ms, zone, { year: "numeric" });
  const other = year === format(near, zone, { year: "numeric" }) ? "" : ` ${year}`;
  return `${plainDay(ms, zone)}${other} ${exactClock(ms, zone)}`;
}

/** "UTC", "CEST", "GMT+5:30" */
export function zoneName(ms: number, zone: string): string {
  const made = new Intl.DateTimeFormat(language(), { timeZone: zone, timeZoneName: "short" });
  return made.formatToParts(ms).find((part) => part.type === "timeZoneName")?.value ?? zone;
}

export function tickText(tick: Tick, zone: string): { lead: string; text: string } {
  if (tick.unit === "time") return { lead: "", text: clock(tick.ms, zone) };
  if (tick.unit === "day") return { lead: format(tick.ms, zone, { weekday: "short" }), text: plainDay(tick.ms, zone) };
  if (tick.unit === "month") return { lead: "", text: format(tick.ms, zone, { month: "short" }) };
  return { lead: "", text: format(tick.ms, zone, { month: "short", year: "numeric" }) };
}

/** "3 d", "58 min": one unit, as a reader says it. */
export function roughly(ms: number): string {
  const units: [number, string][] = [
    [864e5, "days"],
    [36e5, "h"],
    [6e4, "min"],
    [1e3, "s"],
  ];
  for (const [size, name] of units) {
    const count = Math.round(ms / size);
    if (ms >= size) return name === "days" && count === 1 ? "1 day" : `${count} ${name}`;
  }
  return "a moment";
}
