import { useState } from "preact/hooks";
import { Dialog } from "../parts/Dialog.tsx";
import { Choice, Field, Form, SubmitOrCancel, text } from "../parts/Form.tsx";
import { Icon } from "../parts/Icon.tsx";
import { query, setQuery } from "../state/location.ts";
import { addCondition, breakDownBy, removeCondition, setMetrics } from "./changing.ts";
import { conditionName, metricName, OF_NUMBERS } from "./names.ts";
import { EACH, OPERATIONS, type Operation, offered, type Question, readCondition } from "./question.ts";
import type { Found } from "./rows.ts";

const USUAL = ["count", "unique_users", "unique_sessions", "unique_sources"];
const COLUMNS = ["eventType", "source", "status", "userId", "sessionId", "tags"];

interface BarProps {
  question: Question;
  found: Found;
}

/** The question in words, each a control: what is counted, by what, where, how often, against what. */
export function QuestionBar({ question, found }: BarProps) {
  const [adding, setAdding] = useState(false);
  const texts = query.value.getAll("f").filter((text) => readCondition(text) !== null);
  return (
    // biome-ignore lint/a11y/useSemanticElements: a fieldset does not scroll sideways
    <div class="fields ask-q" role="group" aria-label="The question">
      <Metrics question={question} found={found} />
      <span class="word">by</span>
      <BreakDown question={question} found={found} />
      <span class="word">where</span>
      {texts.map((each) => (
        <ConditionChip key={each} text={each} />
      ))}
      <button class="fchip" type="button" aria-label="Add a filter" onClick={() => setAdding(true)}>
        <Icon name="add" />
      </button>
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
      {adding ? <AddFilter found={found} close={() => setAdding(false)} /> : null}
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

function ConditionChip({ text: written }: { text: string }) {
  const condition = readCondition(written);
  if (!condition) return null;
  const { field, value } = conditionName(condition);
  return (
    <button class="fchip by" type="button" title="Without this" onClick={() => removeCondition(written)}>
      <i>{field}</i> <code>{value}</code>
      <b>×</b>
    </button>
  );
}

const NEEDS_NUMBER: readonly string[] = ["gt", "gte", "lt", "lte"];

function AddFilter({ found, close }: { found: Found; close: () => void }) {
  const fields = [...new Set([...found.groups, ...found.numbers, ...COLUMNS])];
  const send = async (data: FormData) => {
    const operation = text(data, "operation") as Operation;
    const typed = text(data, "value");
    const values = operation === "exists" || operation === "missing" ? [] : [typedValue(typed, operation)];
    addCondition({ field: text(data, "field").trim(), operation, values });
    close();
  };
  return (
    <Dialog title="Only events where" close={close}>
      <Form send={send}>
        {(form) => (
          <>
            <datalist id="filter-fields">
              {fields.map((field) => (
                <option key={field} value={field} />
              ))}
            </datalist>
            <label class="field">
              <span>Field</span>
              <input name="field" list="filter-fields" required maxLength={200} spellcheck={false} autocomplete="off" />
              <small>eventType, source, status ..., or data.NAME</small>
            </label>
            <Choice label="Is" name="operation" options={Object.entries(OPERATIONS)} />
            <Field label="Value" name="value" form={form} autocomplete="off" maxLength={1000} />
            <SubmitOrCancel form={form} close={close}>
              Add
            </SubmitOrCancel>
          </>
        )}
      </Form>
    </Dialog>
  );
}

/** true, false and what is compared by size are themselves; other texts stay texts, which numbers are found by too. */
function typedValue(typed: string, operation: Operation): string | number | boolean {
  if (typed === "true" || typed === "false") return typed === "true";
  const number = Number(typed);
  return NEEDS_NUMBER.includes(operation) && typed.trim() !== "" && !Number.isNaN(number) ? number : typed;
}
