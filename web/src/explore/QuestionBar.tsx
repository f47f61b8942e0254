import { Icon } from "../parts/Icon.tsx";
import { setQuery } from "../state/location.ts";
import { Conditions } from "./Conditions.tsx";
import { breakDownBy, setMetrics } from "./changing.ts";
import { metricName, OF_NUMBERS } from "./names.ts";
import { EACH, offered, type Question } from "./question.ts";
import { COLUMNS, type Found } from "./rows.ts";

const USUAL = ["count", "unique_users", "unique_sessions", "unique_sources"];

interface BarProps {
  question: Question;
  found: Found;
}

/** The question in words, each a control: what is counted, by what, where, how often, against what. */
export function QuestionBar({ question, found }: BarProps) {
  return (
    // biome-ignore lint/a11y/useSemanticElements: a fieldset does not scroll sideways
    <div class="fields ask-q" role="group" aria-label="The question" data-filters>
      <Metrics question={question} found={found} />
      <span class="word">by</span>
      <BreakDown question={question} found={found} />
      <span class="word">where</span>
      <Conditions found={found} />
      <span class="word">each</span>
      <select
        class="fchip"
        aria-label="Each"
        value={question.each}
        onChange={(event) => setQuery({ each: event.currentTarget.value })}
      >
        {EACH.filter((each) => offered(question.span.toMs - question.span.fromMs).includes(each)).map(
          ([name, words]) => (
            <option key={name} value={name}>
              {words}
            </option>
          ),
        )}
      </select>
      <span class="word">against</span>
      <button
        class="fchip"
        type="button"
        aria-pressed={question.isCompared}
        onClick={() => setQuery({ vs: question.isCompared ? null : "previous" })}
      >
        the time before
      </button>
    </div>
  );
}

function Metrics({ question, found }: BarProps) {
  const { metrics } = question;
  const more = [
    ...USUAL,
    ...found.numbers.flatMap((field) => OF_NUMBERS.map((each) => `${each}_${field}`)),
    ...found.groups.filter((field) => field.startsWith("data.")).map((field) => `unique_${field}`),
  ].filter((name) => !metrics.includes(name));
  return (
    <>
      {metrics.map((name, i) => (
        <span key={name} class="pair">
          <button
            class="fchip"
            type="button"
            aria-pressed={i === 0}
            onClick={() => setMetrics([name, ...metrics.filter((other) => other !== name)])}
          >
            {metricName(name)}
          </button>
          {metrics.length > 1 ? (
            <button
              class="fchip off"
              type="button"
              aria-label={`Without ${metricName(name)}`}
              onClick={() => setMetrics(metrics.filter((other) => other !== name))}
            >
              ×
            </button>
          ) : null}
        </span>
      ))}
      <Adder label="Add a metric" options={more} name={metricName} add={(name) => setMetrics([name, ...metrics])} />
    </>
  );
}

function BreakDown({ question, found }: BarProps) {
  const { by } = question;
  const fields = [...new Set([...found.groups, ...COLUMNS])].filter((field) => field !== by);
  return (
    <>
      {by === null ? null : (
        <button class="fchip by" type="button" title="Not broken down" onClick={() => breakDownBy(null)}>
          <code>{by}</code>
          <b>×</b>
        </button>
      )}
      <Adder label="Break down by" options={fields} name={(field) => field} add={breakDownBy} />
    </>
  );
}

interface AdderProps {
  label: string;
  options: readonly string[];
  name: (option: string) => string;
  add: (option: string) => void;
}

/** A choice that does something at once, and stands on nothing again. */
function Adder({ label, options, name, add }: AdderProps) {
  return (
    <span class="fchip adder">
      <Icon name="add" />
      <select
        aria-label={label}
        value=""
        onChange={(event) => {
          const chosen = event.currentTarget.value;
          event.currentTarget.value = "";
          if (chosen !== "") add(chosen);
        }}
      >
        <option value="">{label}</option>
        {options.map((option) => (
          <option key={option} value={option}>
            {name(option)}
          </option>
        ))}
      </select>
    </span>
  );
}
