import { useState } from "preact/hooks";
import { Ago } from "../parts/Ago.tsx";
import { announce } from "../state/announce.ts";
import { at, href } from "../state/location.ts";
import { type Told, useStream } from "../state/stream.ts";

interface Arrival {
  atMs: number;
  endpoint: string | null;
  eventType: string | null;
}

interface Snapshot {
  endpoint: { name: string };
}

interface Sent {
  eventType?: string;
}

/** Waits for the first snapshot or event that comes from now on, and says when it has come. */
export function Waiting({ project }: { project: string }) {
  const [arrival, setArrival] = useState<Arrival | null>(null);
  useStream(project, ["snapshots", "events"], (told: Told) => {
    const endpoint = told.event === "snapshot.created" ? (told.data as Snapshot).endpoint.name : null;
    const eventType = told.event === "event" ? ((told.data as Sent).eventType ?? "") : null;
    if (endpoint === null && eventType === null) return;
    setArrival({ atMs: Date.now(), endpoint, eventType });
    announce(endpoint === null ? "An event has come" : `A snapshot of ${endpoint} has come`);
  });
  if (!arrival) {
    return (
      <p class="waiting">
        <i aria-hidden="true" />
        Waiting for a snapshot or event
      </p>
    );
  }
  return (
    <p class="waiting come">
      <i aria-hidden="true" />
      {arrival.endpoint === null ? (
        <span>
          An event <a href={href(`${at("p", project, "events")}/live`)}>{arrival.eventType}</a> came
        </span>
      ) : (
        <span>
          A snapshot of <a href={href(at("p", project, "e", arrival.endpoint))}>{arrival.endpoint}</a> came
        </span>
      )}
      <Ago at={new Date(arrival.atMs).toISOString()} />
    </p>
  );
}
