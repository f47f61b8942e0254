import type { VNode } from "preact";

import { quoted } from "../connect/lines";
import { Failure } from "../parts/Failure";
import { copied } from "../state/copying";
import { longDay, moment } from "../time/clock";
import type { State } from "./view";

export interface StatesProps {
  state: State;
  endpoint: string;
  project: string;
  zone: string;
  /** The nearest version that there is, by its time. */
  onGo: (ms: number) => void;
  onStep: (step: 1 | -1) => void;
  onRetry: () => void;
}

/** What stands in the tree's place where there is no document to show: why, and what to do about it. */
export function States({ state, endpoint, project, zone, onGo, onStep, onRetry }: StatesProps): VNode | null {
  switch (state.kind) {
    case "empty":
      return <Empty endpoint={endpoint} project={project} />;
    case "before":
      return (
        <div class="nothing">
          <p>
            <b>Nothing was kept yet.</b> This document is kept since {longDay(state.first.ms, zone)}.
          </p>
          <button class="btn" type="button" onClick={() => onGo(state.first.ms)}>
            The first version, {moment(state.first.ms, zone)}
          </button>
        </div>
      );
    case "gone":
      return (
        <div class="nothing">
          <p>
            <b>This snapshot was deleted,</b> or is not one of this endpoint: <code>{state.id}</code>
          </p>
          <button class="btn" type="button" onClick={() => onGo(Date.now())}>
            The latest version
          </button>
        </div>
      );
    case "broken":
      return (
        <div class="nothing" role="alert">
          <p>
            <b>This version cannot be read:</b> {state.why}
          </p>
          <span class="bar">
            <button class="btn" type="button" onClick={() => onStep(-1)}>
              The one before
            </button>
            <button class="btn" type="button" onClick={() => onStep(1)}>
              The next one
            </button>
          </span>
        </div>
      );
    case "failed":
      return <Failure tried="Opening the document" error={state.error} retry={onRetry} />;
    default:
      return null;
  }
}

function Empty({ endpoint, project }: { endpoint: string; project: string }): VNode {
  const address = new URL(`v1/snapshots?endpoint=${encodeURIComponent(endpoint)}`, document.baseURI).href;
  const line = `curl -X POST ${quoted(address)} \\\n  -H 'Authorization: Bearer YOUR_KEY' -H 'Content-Type: application/json' \\\n  -d '{"hello": "world"}'`;
  return (
    <div class="nothing waiting">
      <p>
        <span class="live" role="status">
          <i />
          <span>Waiting for the first version of {endpoint}</span>
        </span>
      </p>
      <pre class="code">{line}</pre>
      <p class="quiet">
        A key is made under Settings of {project}, Keys. The page shows the document as soon as it is there.
      </p>
      <button class="btn" type="button" onClick={() => void copied(line, "The command is copied")}>
        Copy
      </button>
    </div>
  );
}
