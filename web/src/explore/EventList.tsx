import { useState } from "preact/hooks";
import { exactClock, moment } from "../time/clock.ts";
import { EventView } from "./EventView.tsx";
import type { EventJson } from "./rows.ts";

interface ListProps {
  project: string;
  events: readonly EventJson[];
  zone: string;
  /** Where all are of one hour or less, their day says nothing. */
  isShort?: boolean;
}

/** Events a row each, which opens. */
export function EventList({ project, events, zone, isShort = false }: ListProps) {
  const [open, setOpen] = useState<EventJson | null>(null);
  return (
    <>
      <ul class="event-list">
        {events.map((event) => (
          <li key={event.messageId}>
            <button type="button" onClick={() => setOpen(event)}>
              <time dateTime={event.timestamp}>
                {isShort ? exactClock(Date.parse(event.timestamp), zone) : moment(Date.parse(event.timestamp), zone)}
              </time>
              <b>{event.eventType}</b>
              <span class="quiet">{whoOf(event)}</span>
              <code>{briefly(event.data)}</code>
            </button>
          </li>
        ))}
      </ul>
      {open ? <EventView project={project} event={open} zone={zone} close={() => setOpen(null)} /> : null}
    </>
  );
}

export function whoOf(event: EventJson): string {
  return event.userId ?? event.anonymousId ?? event.source ?? "";
}

const LONGEST = 160;

/** The first of what an event says, in one line. */
export function briefly(data: unknown): string {
  if (data === null || data === undefined) return "";
  if (typeof data !== "object" || Array.isArray(data)) return JSON.stringify(data).slice(0, LONGEST);
  const parts = Object.entries(data).map(([name, value]) => {
    const text = typeof value === "string" ? value : (JSON.stringify(value) ?? "");
    return `${name} ${text.slice(0, 60)}`;
  });
  return parts.join("  ").slice(0, LONGEST);
}
