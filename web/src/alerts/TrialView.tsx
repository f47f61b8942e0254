import { count, counted, percent } from "../numbers.ts";
import { Failure } from "../parts/Failure.tsx";
import { Icon } from "../parts/Icon.tsx";
import { Segments } from "../parts/Segments.tsx";
import { Problem } from "../problem.ts";
import { query, setQuery } from "../state/location.ts";
import { zone } from "../state/zone.ts";
import { clock, longDay, roughly, zoneName } from "../time/clock.ts";
import { type Draft, hasLevel, isOfEvents, KINDS, lacksSubject, stepsOf, subjectText, type Trial } from "./rule.ts";
import { TrialChart } from "./TrialChart.tsx";

const RANGES = { "24h": "24 h", "3d": "3 d", "30d": "30 d", all: "All" } as const;
const DAY_MS = 864e5;
/** More alerts a day than people look at. */
const MANY_A_DAY = 3;

interface TrialViewProps {
  trial: Trial | undefined;
  error: unknown;
  retry: () => void;
  draft: Draft;
  atMs: number | null;
  onMoment: (ms: number) => void;
  onOpen: () => void;
  onLimit: (value: number) => void;
}

/** The rule on what is recorded: how often it would have fired, on its series. */
export function TrialView(props: TrialViewProps) {
  const { trial, error, draft, atMs, onMoment } = props;
  const asked = query.value.get("range");
  const range = asked !== null && asked in RANGES ? (asked as keyof typeof RANGES) : "all";
  const fired = (trial?.fired ?? []).map(({ from }) => Date.parse(from));
  const before = fired.findLast((ms) => atMs === null || ms < atMs);
  const next = fired.find((ms) => atMs !== null && ms > atMs);
  const isOurs = !(error instanceof Problem) || error.status >= 500 || error.status === 0;
  return (
    <section class="time" aria-label="Trial on recorded history">
      <div class="transport">
        <div class="steps">
          {(
            [
              ["Fired before", "left", before],
              ["Fired next", "right", next],
            ] as const
          ).map(([name, icon, ms]) => (
            <button
              key={name}
              class="icon"
              type="button"
              aria-label={name}
              disabled={ms === undefined}
              onClick={() => ms !== undefined && onMoment(ms)}
            >
              <Icon name={icon} />
            </button>
          ))}
        </div>
        {atMs === null ? null : isOfEvents(draft) ? (
          <span class="moment">
            <Then atMs={atMs} />
          </span>
        ) : (
          <button class="moment" type="button" onClick={props.onOpen} aria-label="Open the document then">
            <Then atMs={atMs} />
          </button>
        )}
        {trial ? <Verdict trial={trial} of={stepsOf(draft)} /> : null}
        <Segments
          label="Range"
          options={RANGES}
          value={range}
          choose={(to) => setQuery({ range: to === "all" ? null : to })}
        />
      </div>
      {error && isOurs ? <Failure tried="Trying the rule" error={error} retry={props.retry} /> : null}
      {trial && trial.tried > 0 ? (
        <Drawn {...props} trial={trial} />
      ) : trial ? (
        <p class="none trial-none">There is no history to try it on: it is judged from now on.</p>
      ) : lacksSubject(draft) ? (
        <p class="none trial-none">
          Choose what is watched: what it was until now shows here, and how often this would have fired.
        </p>
      ) : (
        <div class="trial-blank" />
      )}
      <p class="keyline quiet" aria-hidden="true">
        {draft.kind === "anomaly" && !draft.path ? null : (
          <span>
            <i class="k-line" />
            {subjectText(draft) || KINDS[draft.kind].name} {draft.endpoint ? `of ${draft.endpoint}` : ""}
          </span>
        )}
        {draft.kind === "usual" ? (
          <span>
            <i class="k-usual" />
            usual at that hour
          </span>
        ) : null}
        <span>
          <i class={draft.kind === "usual" ? "k-raised k-lid" : "k-raised"} />
          raised
        </span>
        <span>
          <i class="k-fire" />
          fires
        </span>
        {draft.quiet ? (
          <span>
            <i class="k-night" />
            quiet hours
          </span>
        ) : null}
        <span class="grow" />
        {trial && hasLevel(draft) ? <span>Drag the limit to try another one</span> : null}
      </p>
    </section>
  );
}

function Drawn(props: TrialViewProps & { trial: Trial }) {
  const { trial } = props;
  const [fromMs, lastMs] = [Date.parse(trial.from ?? ""), Date.parse(trial.to ?? "")];
  const span = { fromMs, toMs: Math.max(lastMs + (lastMs - fromMs) / 100, fromMs + 1000) };
  return (
    <TrialChart
      trial={trial}
      draft={props.draft}
      span={span}
      zone={zone.value}
      atMs={props.atMs}
      onMoment={props.onMoment}
      onOpen={props.onOpen}
      onLimit={props.onLimit}
    />
  );
}

function Then({ atMs }: { atMs: number }) {
  return (
    <>
      <b>{longDay(atMs, zone.value)}</b>
      <b>{clock(atMs, zone.value)}</b>
      <span>{zoneName(atMs, zone.value)}</span>
    </>
  );
}

function Verdict({ trial, of }: { trial: Trial; of: string }) {
  const lengthMs = trial.from && trial.to ? Date.parse(trial.to) - Date.parse(trial.from) : 0;
  const quiet = trial.fired.filter(({ sent }) => sent === "held" || sent === "dropped").length;
  const aDay = trial.fired_count / Math.max(1, lengthMs / DAY_MS);
  return (
    <p class="pos" role="status">
      would have fired <b>{trial.fired_count === 0 ? "never" : counted(trial.fired_count, "time")}</b>
      {lengthMs > 0 ? ` in ${roughly(lengthMs)}` : ""}
      {aDay > MANY_A_DAY ? <b>, {count(Math.round(aDay))} a day: too often to look at</b> : null}
      <span>
        {quiet > 0 ? ` · ${quiet} in quiet hours` : ""} · raised {percent(trial.share)} of the time ·{" "}
        {counted(trial.tried, of)} tried
        {trial.complete ? "" : of === "hour" ? ", others were not looked at" : ", no time for more"}
        {trial.series.values.at(-1) === null ? " · nothing is there now" : ""}
      </span>
    </p>
  );
}
