import type { ComponentChildren } from "preact";
import { EventsHead } from "../explore/EventsHead.tsx";
import { HowToSend } from "../explore/HowToSend.tsx";
import { RANGES, type Range } from "../explore/question.ts";
import { Failure } from "../parts/Failure.tsx";
import { Loading } from "../parts/Loading.tsx";
import { Segments } from "../parts/Segments.tsx";
import type { Kind, Spec } from "../saved/kinds.ts";
import { SavedActs } from "../saved/SavedActs.tsx";
import type { Loaded } from "../state/load.ts";
import { setQuery } from "../state/location.ts";
import { setRange } from "./useAsked.ts";
import "../style/lists.css";
import "../explore/explore.css";
import "./behaviour.css";

interface FrameProps {
  project: string;
  kind: Kind;
  /** What is saved; null where too little is chosen. */
  spec: () => Spec | null;
  range: Range | null;
  usual: Range;
  /** What the question is made of, but for its range. */
  picks: ComponentChildren;
  label: string;
  found: Loaded<unknown>;
  tried: string;
  /** What is said where the answer is empty. */
  empty: string | null;
  /** No event has come at all in this time. */
  isSilent: boolean;
  children: ComponentChildren;
}

/** The page of a question about what people do: what is asked, and the answer below. */
export function AskedFrame(props: FrameProps) {
  const { project, kind, spec, range, usual, picks, label, found, tried, empty, isSilent, children } = props;
  return (
    <main id="main" class={`wrap app explore-page ${kind}-page`}>
      <EventsHead project={project}>
        <SavedActs project={project} kind={kind} spec={spec} />
      </EventsHead>
      {/* biome-ignore lint/a11y/useSemanticElements: a fieldset does not scroll sideways */}
      <div class="fields ask-q" role="group" aria-label="The question" data-filters>
        {picks}
        <Segments label="Range" options={RANGES} value={range} choose={(name) => setQuery(setRange(usual)(name))} />
      </div>
      <section class="doc" aria-label={label}>
        {found.error ? <Failure tried={tried} error={found.error} retry={found.again} /> : null}
        {found.busy ? <Loading /> : null}
        {children}
        {empty === null ? null : (
          <div class="said">
            <p>{empty}</p>
            {isSilent ? <HowToSend project={project} /> : null}
          </div>
        )}
      </section>
    </main>
  );
}
