import { useState } from "preact/hooks";
import { exactClock, moment, shortDay } from "../time/clock.ts";
import { Brief } from "./Brief.tsx";
import { EventView } from "./EventView.tsx";
import type { EventJson } from "./rows.ts";

interface ListProps {
  project: string;
  events: readonly EventJson[];
  zone: string;
  /** Where all are of one hour or one day, that day says nothing. */
  isShort?: boolean;
  /** Where all are of one person, that one's name says nothing. */
  isOfOne?: boolean;
}

/** Events a row each, which opens. */
export function EventList({ project, events, zone, isShort = false, isOfOne = false }: ListProps) {
  const [open, setOpen] = useState<EventJson | null>(null);
  return (
    <>
      <ul class="event-list">
        {events.map((event) => (
          <li key={event.messageId} data-row>
            <button type="button" data-open onClick={() => setOpen(event)}>
              <time dateTime={event.timestamp}>{when(Date.parse(event.timestamp), zone, isShort)}</time>
              <b>{event.eventType}</b>
              {isOfOne ? null : <span class="quiet">{whoOf(event)}</span>}
              <Brief data={event.data} />
            </button>
          </li>
        ))}
      </ul>
      {open ? <EventView project={project} event={open} zone={zone} close={() => setOpen(null)} /> : null}
    </>
  );
}

/** To the second, without the day where it is the present one. */
function when(ms: number, zone: string, isShort: boolean): string {
  const day = shortDay(ms, zone);
  return isShort || day === shortDay(Date.now(), zone) ? exactClock(ms, zone) : moment(ms, zone);
}

export function whoOf(event: EventJson): string {
  return event.userId ?? event.anonymousId ?? event.source ?? "";
}
