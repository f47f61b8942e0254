import type { ComponentChildren } from "preact";
import { useState } from "preact/hooks";
import { bytes, percent } from "../numbers.ts";
import { Icon } from "../parts/Icon.tsx";
import { Segments } from "../parts/Segments.tsx";
import { type Draft, everyText } from "./draft.ts";
import type { Condition, Operator } from "./keep.ts";
import { More } from "./More.tsx";
import { OPERATORS } from "./SourceRow.tsx";
import type { Place } from "./shape.ts";
import type { Made, Tried } from "./useTrial.ts";

export interface ListKept {
  place: Place;
  where: readonly Condition[];
  kept: number;
  of: number;
}

export interface Noise {
  pattern: string;
  text: string;
  /** The expression leaves it out. */
  isOut: boolean;
}

interface PlanProps {
  draft: Draft;
  told: Tried;
  made: Made;
  lists: readonly ListKept[];
  noise: readonly Noise[];
  ignored: ReadonlySet<string>;
  /** Whether the boxes show the expression. */
  isShown: boolean;
  change: (draft: Partial<Draft>) => void;
  ignore: (patterns: readonly string[], on: boolean) => void;
  where: (list: Place, where: readonly Condition[]) => void;
  /** Asks the source anew, as the settings are now. */
  again: () => void;
  /** The endpoint's name, and what becomes of it. */
  name: ComponentChildren;
  foot: ComponentChildren;
}

/** What is kept, when it is asked, and what counts as an answer. */
export function Plan(props: PlanProps) {
  const { draft, told, made, lists } = props;
  const [open, setOpen] = useState(false);
  const all = lists.find((list) => list.where.length > 0);
  return (
    <section class={open ? "step plan open" : "step plan"} aria-label="What is kept">
      <div class="bar">
        <h2>What is kept</h2>
        <span class="grow" />
        {all ? (
          <span class="pos">
            {all.kept.toLocaleString()} of {all.of.toLocaleString()} records
          </span>
        ) : null}
      </div>
      <div class="sum">
        <p class="bigfig">
          <b>{bytes(told.source_bytes)}</b>
          <i aria-hidden="true">→</i>
          <b>{made.told ? bytes(made.told.result_bytes) : "?"}</b>
          <span>{made.told ? share(told, made.told) : made.busy ? "…" : ""}</span>
        </p>
        <div class="rest">
          <Expression {...props} />
          {lists.map((list) => (
            <Conditions key={list.place.join("/")} list={list} change={(where) => props.where(list.place, where)} />
          ))}
          <NoiseList {...props} />
          <Every {...props} />
          {props.name}
          <Failing {...props} />
          <More draft={draft} suggested={told.suggested.paging} change={props.change} again={props.again} />
        </div>
      </div>
      <footer class="foot">
        {props.foot}
        <button class="btn ghost only-narrow" type="button" aria-expanded={open} onClick={() => setOpen(!open)}>
          {open ? "Less" : "The plan"}
        </button>
      </footer>
    </section>
  );
}

function share(told: Tried, made: Tried): string {
  return told.source_bytes === made.result_bytes
    ? "all of the source, in every version"
    : `${percent(made.result_bytes / told.source_bytes)} of the source, in every version`;
}

export function PartHead({ title, hint, children }: { title: string; hint?: string; children?: ComponentChildren }) {
  return (
    <div class="part-h">
      <h3>{title}</h3>
      {hint ? <span class="quiet">{hint}</span> : null}
      {children}
    </div>
  );
}

function Expression({ draft, made, isShown, change }: PlanProps) {
  const [editing, setEditing] = useState(false);
  const { transform } = draft;
  return (
    <>
      <PartHead title="Expression" hint={editing ? "JMESPath" : undefined}>
        <button class="btn ghost" type="button" onClick={() => setEditing(!editing)}>
          {editing ? "Done" : "Edit"}
        </button>
      </PartHead>
      {editing ? (
        <textarea
          class="code"
          aria-label="Expression"
          rows={Math.min(14, 2 + (transform ?? "").split("\n").length)}
          maxLength={4000}
          spellcheck={false}
          placeholder="All of it is kept. Such as: items[].{id: id, price: price}"
          value={transform ?? ""}
          onInput={(event) =>
            change({ transform: event.currentTarget.value.trim() ? event.currentTarget.value : null })
          }
        />
      ) : transform ? (
        // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls is reached by keys
        <pre class="code" tabIndex={0}>
          {transform}
        </pre>
      ) : (
        <p class="inset quiet">
          {transform === "" ? "Nothing is kept: click what is to be." : "All of it is kept as it comes."}
        </p>
      )}
      {isShown ? null : (
        <p class="inset">
          The boxes cannot show this expression; it is used as it is.{" "}
          <button class="btn ghost" type="button" onClick={() => change({ transform: null })}>
            Begin anew
          </button>
        </p>
      )}
      {made.wrong === null ? null : (
        <p class="inset wrong" role="alert">
          {made.wrong}
        </p>
      )}
    </>
  );
}

function Conditions({ list, change }: { list: ListKept; change: (where: readonly Condition[]) => void }) {
  if (list.where.length === 0) return null;
  const set = (i: number, part: Partial<Condition>) =>
    change(list.where.map((each, k) => (k === i ? { ...each, ...part } : each)));
  const name = list.place.length === 0 ? "Records" : list.place.join("/");
  return (
    <>
      <PartHead title={`${name} only where`} hint={`${list.kept.toLocaleString()} of ${list.of.toLocaleString()}`} />
      <ul class="opts">
        {list.where.map((condition, i) => (
          <li key={condition.field.join("/")}>
            <code>{condition.field.join("/")}</code>
            <select
              aria-label="How"
              value={condition.operator}
              onChange={(event) => set(i, { operator: event.currentTarget.value as Operator })}
            >
              {Object.entries(OPERATORS).map(([value, text]) => (
                <option key={value} value={value}>
                  {text}
                </option>
              ))}
            </select>
            <input
              aria-label="What"
              value={condition.value}
              maxLength={200}
              spellcheck={false}
              onChange={(event) => set(i, { value: literal(event.currentTarget.value) })}
            />
            <button
              class="icon"
              type="button"
              aria-label="Take the condition out"
              onClick={() => change(list.where.filter((_, k) => k !== i))}
            >
              <Icon name="close" />
            </button>
          </li>
        ))}
      </ul>
    </>
  );
}

/** JSON as it is written; a text without its quotes is meant as one. */
function literal(text: string): string {
  try {
    JSON.parse(text);
    return text;
  } catch {
    return JSON.stringify(text);
  }
}

function NoiseList({ noise, ignored, ignore }: PlanProps) {
  if (noise.length === 0) {
    return <PartHead title="Noise" hint="nothing differed between the two tries" />;
  }
  const open = noise.filter(({ pattern, isOut }) => !isOut && !ignored.has(pattern));
  return (
    <>
      <PartHead title="Noise" hint="differs though nothing happened">
        {open.length > 1 ? (
          <button
            class="btn ghost"
            type="button"
            onClick={() =>
              ignore(
                open.map(({ pattern }) => pattern),
                true,
              )
            }
          >
            Ignore all {open.length}
          </button>
        ) : null}
      </PartHead>
      <ul class="opts">
        {noise.map(({ pattern, text, isOut }) => (
          <li key={pattern}>
            <label>
              <input
                type="checkbox"
                checked={isOut || ignored.has(pattern)}
                disabled={isOut}
                onChange={(event) => ignore([pattern], event.currentTarget.checked)}
              />
              <code>{pattern.slice(1)}</code>
            </label>
            <span>{isOut ? "left out already" : ignored.has(pattern) ? "ignored: kept, but no change" : text}</span>
          </li>
        ))}
      </ul>
    </>
  );
}

const USUAL = ["1m", "5m", "15m", "1h", "1d"];

function Every({ draft, told, change }: PlanProps) {
  const own = draft.every === "cron" || USUAL.includes(draft.every) ? [] : [draft.every];
  const options = Object.fromEntries([...USUAL, ...own].map((each) => [each, everyText(each)]));
  const suggested = told.suggested.interval;
  return (
    <>
      <PartHead title="Every" hint={`${everyText(suggested)} suits the source`} />
      <div class="inset">
        <Segments
          label="Every"
          options={{ ...options, cron: "Cron" }}
          value={draft.every}
          choose={(every) => change({ every })}
        />
      </div>
      {draft.every === "cron" ? (
        <div class="inset two">
          <label class="filter">
            <span class="sr">Cron: minute, hour, day, month, day of the week</span>
            <input
              placeholder="30 6 * * MON-FRI"
              maxLength={200}
              spellcheck={false}
              value={draft.cron}
              onInput={(event) => change({ cron: event.currentTarget.value })}
            />
          </label>
          <label class="filter">
            <span class="sr">Time zone</span>
            <input
              placeholder="Europe/Berlin"
              maxLength={200}
              spellcheck={false}
              value={draft.timezone}
              onInput={(event) => change({ timezone: event.currentTarget.value })}
            />
          </label>
        </div>
      ) : null}
    </>
  );
}

function Failing({ draft, told, lists, change }: PlanProps) {
  const type = told.content_type.split(";")[0]?.trim() ?? "";
  const first = lists[0];
  const some = first ? `length(${first.place.map(bare).join(".") || "@"}) > \`0\`` : "";
  const options = [
    { text: `a status of 200 to 299 and ${type}`, field: "contentType", value: type },
    { text: some, field: "condition", value: some },
  ] as const;
  return (
    <>
      <PartHead title="Counts as failed unless" />
      <ul class="opts">
        {options
          .filter(({ value }) => value !== "")
          .map(({ text, field, value }) => (
            <li key={field}>
              <label>
                <input
                  type="checkbox"
                  checked={draft[field] !== ""}
                  onChange={(event) => change({ [field]: event.currentTarget.checked ? value : "" })}
                />
                <code>{draft[field] === "" || draft[field] === value ? text : draft[field]}</code>
              </label>
            </li>
          ))}
      </ul>
    </>
  );
}

function bare(name: string): string {
  return /^[A-Za-z_][A-Za-z0-9_]*$/.test(name) ? name : JSON.stringify(name);
}
