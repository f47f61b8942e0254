import { useMemo, useState } from "preact/hooks";
import { post } from "../api.ts";
import { AskedFrame } from "../behaviour/AskedFrame.tsx";
import { type Counted, PersonsDialog } from "../behind/PersonsDialog.tsx";
import { ask } from "../explore/asking.ts";
import { Share } from "../explore/Breakdown.tsx";
import { Conditions } from "../explore/Conditions.tsx";
import { setAll } from "../explore/changing.ts";
import { figure } from "../explore/names.ts";
import { AGES, readQuestion } from "../explore/question.ts";
import { filtersOf, type Row } from "../explore/rows.ts";
import { barsOf, changed, FEWEST, MOST, stepsOf, WINDOWS } from "../funnel/steps.ts";
import { percent } from "../numbers.ts";
import type { PageProps } from "../routes.ts";
import { useLoad } from "../state/load.ts";
import { query, setQuery } from "../state/location.ts";
import { zone } from "../state/zone.ts";
import { roughly } from "../time/clock.ts";
import "../funnel/funnel.css";

const NOTHING = { groups: [], numbers: [] };

/** How many get from one step to the next, and how long they take. */
export default function Funnels({ params }: PageProps) {
  const project = params.project as string;
  const asked = query.value.toString();
  const question = useMemo(() => readQuestion(new URLSearchParams(asked), zone.value, Date.now()), [asked, zone.value]);
  const steps = stepsOf(query.value);
  const given = query.value.get("window") ?? "7d";
  const window = given in WINDOWS ? (given as keyof typeof WINDOWS) : "7d";
  const range = [question.span.fromMs, question.span.toMs].map((ms) => new Date(ms).toISOString());
  const spec = {
    steps: [...steps],
    window,
    range: question.range === null ? range : AGES[question.range],
    timezone: question.zone,
    filters: filtersOf(question.where) as unknown[],
  };
  const types = useLoad(
    async (signal) => {
      const order = [["count", "desc"]];
      const { rows } = await ask(project, { groupBy: ["eventType"], range, orderBy: order, limit: 200 }, signal);
      return rows.map(({ eventType }) => String(eventType));
    },
    [project, range.join()],
  );
  const found = useLoad(
    async (signal) => {
      if (steps.length < FEWEST) return null;
      const answer = await post("/v1/query/funnel", { in: project, body: { ...spec, range }, signal });
      return { bars: barsOf(answer.rows as readonly Row[]), query: answer.query };
    },
    [project, asked, range.join()],
  );
  const [open, setOpen] = useState<Counted | null>(null);
  const openPart = (part: Opened) => {
    if (!found.data) return;
    const title = part.outcome === "left" ? "Who went no further" : "Who got here";
    setOpen({ title, part: { funnel: found.data.query, part } });
  };
  const set = (place: number, name: string | null) => setAll("s", changed(steps, place, name));
  return (
    <AskedFrame
      project={project}
      kind="funnel"
      spec={() => (steps.length < FEWEST ? null : { ...spec })}
      range={question.range}
      usual="7d"
      picks={
        <>
          <span class="word">where</span>
          <Conditions found={NOTHING} />
          <span class="word">within</span>
          <select
            class="fchip"
            aria-label="Within"
            value={window}
            onChange={(event) => setQuery({ window: event.currentTarget.value })}
          >
            {Object.entries(WINDOWS).map(([name, words]) => (
              <option key={name} value={name}>
                {words}
              </option>
            ))}
          </select>
        </>
      }
      label="Steps"
      found={found}
      tried="Following people"
      empty={steps.length < FEWEST ? "Choose what people do first, and what comes after: at least two steps." : null}
      isSilent={types.data?.length === 0}
    >
      <ol class="funnel-steps">
        {[...steps, ...(steps.length < MOST ? [""] : [])].map((step, i) => (
          <Step
            key={i}
            place={i}
            step={step}
            types={types.data ?? []}
            bar={step !== "" ? found.data?.bars[i] : undefined}
            open={openPart}
            set={set}
          />
        ))}
      </ol>
      {open ? <PersonsDialog project={project} {...open} close={() => setOpen(null)} /> : null}
    </AskedFrame>
  );
}

/** A bar, or those who were lost behind it. */
type Opened = { step: number; outcome: "reached" | "left" };

interface StepProps {
  place: number;
  step: string;
  types: readonly string[];
  bar: ReturnType<typeof barsOf>[number] | undefined;
  set: (place: number, name: string | null) => void;
  open: (part: Opened) => void;
}

function Step({ place, step, types, bar, set, open }: StepProps) {
  const offered = step === "" || types.includes(step) ? types : [step, ...types];
  return (
    <li>
      <div class="bar">
        <select
          class="fchip"
          aria-label={`Step ${place + 1}`}
          value={step}
          onChange={(event) => set(place, event.currentTarget.value || null)}
        >
          <option value="">{step === "" ? "Add a step" : "Without this step"}</option>
          {offered.map((type) => (
            <option key={type} value={type}>
              {type}
            </option>
          ))}
        </select>
        {bar ? (
          <p class="pos">
            <b>{figure(bar.users)}</b> {bar.users === 1 ? "person" : "people"}, {percent(bar.share)}
            {bar.medianMs === null ? "" : `, half of them within ${roughly(bar.medianMs)}`}
          </p>
        ) : null}
      </div>
      {bar ? (
        <button
          class="whole"
          type="button"
          aria-label={`Who did step ${place + 1}`}
          disabled={bar.users === 0}
          onClick={() => open({ step: place + 1, outcome: "reached" })}
        >
          <Share of={bar.share} />
        </button>
      ) : null}
      {bar && bar.lost > 0 ? (
        <p class="quiet lost">
          <button class="btn ghost" type="button" onClick={() => open({ step: place, outcome: "left" })}>
            {figure(bar.lost)} went no further
          </button>{" "}
          {percent(1 - bar.shareBefore)} of the step before
        </p>
      ) : null}
    </li>
  );
}
