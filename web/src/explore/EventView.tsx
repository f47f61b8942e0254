import type { ComponentChildren } from "preact";
import { Copy } from "../parts/Copy.tsx";
import { Dialog } from "../parts/Dialog.tsx";
import { has } from "../routes.ts";
import { at, href } from "../state/location.ts";
import { exactClock, longDay, roughly, zoneName } from "../time/clock.ts";
import type { EventJson } from "./rows.ts";

interface ViewProps {
  project: string;
  event: EventJson;
  zone: string;
  close: () => void;
}

/** One event with all that is known of it. */
export function EventView({ project, event, zone, close }: ViewProps) {
  const ms = Date.parse(event.timestamp);
  const text = JSON.stringify(event, null, 2);
  const person = event.userId ?? event.anonymousId;
  return (
    <Dialog title={event.eventType} close={close}>
      <dl class="facts event-facts">
        <Fact name="Type">
          <a class="link" href={href(at("p", project, "events", "types", event.eventType))}>
            what its events have in common
          </a>
        </Fact>
        <Fact name="When">
          {longDay(ms, zone)} {exactClock(ms, zone)} {zoneName(ms, zone)}
        </Fact>
        <Fact name="Came">{cameText(event)}</Fact>
        <Fact name="From">{event.source}</Fact>
        <Fact name="Sent by">{libraryOf(event)}</Fact>
        <Fact name="With the key">{event.key ? <KeyLink project={project} id={event.key} /> : "not recorded"}</Fact>
        {person ? (
          <Fact name="Who">
            {event.userId && has("People") ? (
              <a class="link" href={href(at("p", project, "events", "people", event.userId))}>
                {event.userId}
              </a>
            ) : (
              person
            )}
          </Fact>
        ) : null}
        {event.flags && event.flags.length > 0 ? <Fact name="Odd">{event.flags.join(", ")}</Fact> : null}
      </dl>
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: long ones scroll */}
      <pre class="code event-json" tabIndex={0}>
        {text}
      </pre>
      <div class="acts">
        <Copy text={text} what="event" />
        <button class="btn primary" type="button" onClick={close}>
          Close
        </button>
      </div>
    </Dialog>
  );
}

function KeyLink({ project, id }: { project: string; id: string }) {
  if (!has("Keys")) return <code>{id}</code>;
  return (
    <a class="link" href={href(at("p", project, "settings", "keys"))}>
      <code>{id}</code>
    </a>
  );
}

function Fact({ name, children }: { name: string; children: ComponentChildren }) {
  return (
    <div>
      <dt>{name}</dt>
      <dd>{children}</dd>
    </div>
  );
}

/** How long it was on its way, and what was done about a clock that is wrong. */
export function cameText(event: EventJson): string {
  const way = Date.parse(event.receivedAt) - Date.parse(event.timestamp);
  const late =
    Math.abs(way) < 1000 ? "at once" : way > 0 ? `${roughly(way)} later` : `${roughly(-way)} before its own time`;
  if (!event.originalTimestamp) return late;
  const skew = Date.parse(event.timestamp) - Date.parse(event.originalTimestamp);
  return `${late}; the sender's clock was ${roughly(Math.abs(skew))} ${skew > 0 ? "slow" : "fast"} and was corrected`;
}

/** The client library, as its own context says. */
export function libraryOf(event: EventJson): string {
  const context = (event.metadata as { context?: { library?: unknown }; library?: unknown } | null) ?? {};
  const library = (context.context?.library ?? context.library) as { name?: unknown; version?: unknown } | undefined;
  if (typeof library === "string") return library;
  if (library && typeof library.name === "string") return [library.name, library.version].filter(Boolean).join(" ");
  return "no library says so";
}
