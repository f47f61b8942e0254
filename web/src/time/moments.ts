/**
 * Moments as people type them: `2025-05-22 05:03`, `yesterday 9:00`, `3d`, a version's number, a snapshot's id.
 * Times without a zone are the reader's; what is looked at now gives the day to a time alone.
 */

import { formatOf } from "./zone";

export type Moment =
  | { kind: "latest" }
  | { kind: "time"; ms: number }
  | { kind: "version"; number: number }
  | { kind: "snapshot"; id: string };

export interface Here {
  nowMs: number;
  /** The moment that is looked at. */
  shownMs: number;
  zone: string;
}

interface Day {
  year: number;
  month: number;
  day: number;
}

const UNIT_MS: Record<string, number> = { s: 1e3, m: 6e4, h: 36e5, d: 864e5, w: 6048e5 };
const MONTHS = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];
const WEEKDAYS = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"];

const ID = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;
const AGE = /^(\d{1,6}(?:\.\d+)?)\s*(s|m|h|d|w)(?:[a-z]*)(?:\s+ago)?$/i;
const CLOCK = "(\\d{1,2}):(\\d{2})(?::(\\d{2})(?:\\.(\\d{1,3}))?)?";
const ONLY_CLOCK = new RegExp(`^${CLOCK}$`);
const ISO = new RegExp(`^(\\d{4})-(\\d{1,2})-(\\d{1,2})(?:[T ,]+${CLOCK}\\s*(Z|UTC|[+-]\\d{2}:?\\d{2})?)?$`, "i");
const WORD_DAY = new RegExp(`^(?:last\\s+)?([a-z]+)(?:[ ,]+(?:at\\s+)?${CLOCK})?$`, "i");
const NAMED = new RegExp(
  `^(?:[a-z]+,?\\s+)?(?:(\\d{1,2})\\.?\\s+([a-z]{3,})\\.?|([a-z]{3,})\\.?\\s+(\\d{1,2}))(?:,?\\s+(\\d{4}))?(?:[ ,]+(?:at\\s+)?${CLOCK})?$`,
  "i",
);

/** null where the text is none of them. */
export function parseMoment(typed: string, here: Here): Moment | null {
  const text = typed.trim().replace(/\s+/g, " ");
  if (/^(?:|now|latest|newest)$/i.test(text)) return { kind: "latest" };
  if (/^#?\d{1,9}$/.test(text)) return { kind: "version", number: Number(text.replace("#", "")) };
  if (/^version \d{1,9}$/i.test(text)) return { kind: "version", number: Number(text.slice(8)) };
  if (ID.test(text)) return { kind: "snapshot", id: text.toLowerCase() };
  const ms = age(text, here) ?? iso(text, here) ?? clockAlone(text, here) ?? wordDay(text, here) ?? named(text, here);
  return ms === null ? null : { kind: "time", ms };
}

function age(text: string, here: Here): number | null {
  const found = AGE.exec(text);
  if (!found) return null;
  return here.nowMs - Number(found[1]) * (UNIT_MS[(found[2] as string).toLowerCase()] as number);
}

function iso(text: string, here: Here): number | null {
  const found = ISO.exec(text);
  if (!found) return null;
  const day = { year: Number(found[1]), month: Number(found[2]), day: Number(found[3]) };
  const zone = found[8];
  if (!zone) return at(day, found.slice(4, 8), here.zone);
  const utc = at(day, found.slice(4, 8), "UTC");
  if (utc === null || /^(?:z|utc)$/i.test(zone)) return utc;
  const sign = zone.startsWith("-") ? 1 : -1;
  return utc + sign * (Number(zone.slice(1, 3)) * 60 + Number(zone.slice(-2))) * 6e4;
}

function clockAlone(text: string, here: Here): number | null {
  const found = ONLY_CLOCK.exec(text);
  return found ? at(dayOf(here.shownMs, here.zone), found.slice(1, 5), here.zone) : null;
}

function wordDay(text: string, here: Here): number | null {
  const found = WORD_DAY.exec(text);
  if (!found) return null;
  const back = daysBack((found[1] as string).toLowerCase(), here);
  if (back === null) return null;
  const today = dayOf(here.nowMs, here.zone);
  return at({ ...today, day: today.day - back }, found.slice(2, 6), here.zone);
}

function daysBack(word: string, here: Here): number | null {
  if (word === "today") return 0;
  if (word === "yesterday") return 1;
  const weekday = WEEKDAYS.indexOf(word.slice(0, 3));
  if (
    weekday < 0 ||
    !"sunday monday tuesday wednesday thursday friday saturday".split(" ").some((day) => day.startsWith(word))
  )
    return null;
  const { year, month, day } = dayOf(here.nowMs, here.zone);
  return (new Date(Date.UTC(year, month - 1, day)).getUTCDay() - weekday + 7) % 7 || 7;
}

function named(text: string, here: Here): number | null {
  const found = NAMED.exec(text);
  if (!found) return null;
  const month = MONTHS.indexOf((found[2] ?? found[3] ?? "").slice(0, 3).toLowerCase()) + 1;
  if (month === 0) return null;
  const year = found[5] ? Number(found[5]) : dayOf(here.shownMs, here.zone).year;
  return at({ year, month, day: Number(found[1] ?? found[4]) }, found.slice(6, 10), here.zone);
}

/** `clock`: hours, minutes, seconds, a fraction. null for a time that is none. */
function at(day: Day, clock: (string | undefined)[], zone: string): number | null {
  const [hour, minute, second] = [0, 1, 2].map((i) => Number(clock[i] ?? 0)) as [number, number, number];
  const ms = Number((clock[3] ?? "0").padEnd(3, "0"));
  if (day.month < 1 || day.month > 12 || day.day > 31 || hour > 23 || minute > 59 || second > 59) return null;
  return zonedMs(Date.UTC(day.year, day.month - 1, day.day, hour, minute, second, ms), zone);
}

/** What the clock on the wall shows, as if it were UTC. */
export function wallMs(ms: number, zone: string): number {
  if (zone === "UTC") return ms;
  const part = new Map(
    formatOf(zone)
      .formatToParts(ms)
      .map(({ type, value }) => [type, value]),
  );
  const number = (type: Intl.DateTimeFormatPartTypes): number => Number(part.get(type));
  const wall = Date.UTC(
    number("year"),
    number("month") - 1,
    number("day"),
    number("hour"),
    number("minute"),
    number("second"),
  );
  return wall + (((ms % 1000) + 1000) % 1000);
}

/** The other way. A time that the clock skips is an hour later; of one that it shows twice the first. */
export function zonedMs(wall: number, zone: string): number {
  const first = wall - (wallMs(wall - 864e5, zone) - (wall - 864e5));
  if (wallMs(first, zone) === wall) return first;
  const second = wall - (wallMs(wall + 864e5, zone) - (wall + 864e5));
  return wallMs(second, zone) === wall ? second : first;
}

export function dayOf(ms: number, zone: string): Day {
  const wall = new Date(wallMs(ms, zone));
  return { year: wall.getUTCFullYear(), month: wall.getUTCMonth() + 1, day: wall.getUTCDate() };
}

/** When a day began. */
export function dayStart(ms: number, zone: string): number {
  return zonedMs(Math.floor(wallMs(ms, zone) / 864e5) * 864e5, zone);
}
