import type { EventJson } from "../explore/rows.ts";
import { longDay } from "../time/clock.ts";

export interface Day {
  day: string;
  events: EventJson[];
}

/** Events, the newest first, by the reader's days. */
export function daysOf(events: readonly EventJson[], zone: string): Day[] {
  const days: Day[] = [];
  for (const event of events) {
    const day = longDay(Date.parse(event.timestamp), zone);
    const last = days.at(-1);
    if (last?.day === day) last.events.push(event);
    else days.push({ day, events: [event] });
  }
  return days;
}
