// biome-ignore-all lint/suspicious/noThenProperty: as the server names what becomes of quiet hours
import type { ComponentChildren } from "preact";
import { useId } from "preact/hooks";
import { get, type Schemas } from "../api.ts";
import { useLoad } from "../state/load.ts";
import { zone } from "../state/zone.ts";
import { type Draft, KINDS, type Kind, lowers, OPS, type Part, withKind } from "./rule.ts";

interface RuleFormProps {
  project: string;
  draft: Draft;
  /** A saved rule stays with its endpoint. */
  isNew: boolean;
  canChange: boolean;
  change: (draft: Draft) => void;
}

/** A rule as sentences: when it is raised, when cleared, who is told, and when nobody is. */
export function RuleForm({ project, draft, isNew, canChange, change }: RuleFormProps) {
  const has = (part: Part) => KINDS[draft.kind].parts.includes(part);
  const set = (part: Partial<Draft>) => change({ ...draft, ...part });
  return (
    <fieldset class="sent" disabled={!canChange}>
      <legend class="sr">The rule</legend>
      <Line name="Raise">
        when{" "}
        <Pick
          label="What raises it"
          value={draft.kind}
          options={Object.fromEntries(Object.entries(KINDS).map(([kind, { name }]) => [kind, name]))}
          choose={(kind) => change(withKind(draft, kind as Kind))}
        />
        <Subject project={project} draft={draft} isNew={isNew} set={set} has={has} />
        <Condition draft={draft} set={set} has={has} />
        {has("in_a_row") ? (
          <InARow
            label="Versions in a row that raise it"
            value={draft.in_a_row ?? 1}
            of={draft.kind === "metric" || draft.kind === "usual" ? "times" : "versions"}
            choose={(in_a_row) => set({ in_a_row })}
          />
        ) : null}
      </Line>
      {has("clear") ? <Clear draft={draft} set={set} /> : null}
      <Tell project={project} draft={draft} set={set} />
      <Quiet draft={draft} set={set} />
    </fieldset>
  );
}

interface PartProps {
  draft: Draft;
  set: (part: Partial<Draft>) => void;
}
type Has = (part: Part) => boolean;

function Line({ name, children }: { name: string; children: ComponentChildren }) {
  return (
    <div class="sent-line">
      <span class="quiet">{name}</span>
      <p>{children}</p>
    </div>
  );
}

function Subject({ project, draft, isNew, set, has }: PartProps & { project: string; isNew: boolean; has: Has }) {
  const id = useId();
  const named = useLoad(
    (signal) => (isNew ? get("/v1/endpoints", { in: project, query: { limit: 1000 }, signal }) : Promise.resolve(null)),
    [project, isNew],
  );
  const endpoint = draft.endpoint ?? "";
  const isKnown = !isNew || named.data?.data.some(({ name }) => name === endpoint);
  const fields = useLoad(
    (signal) =>
      endpoint && isKnown && has("path")
        ? get("/v1/endpoints/{endpoint}/fields", { in: project, path: { endpoint }, query: { limit: 200 }, signal })
        : Promise.resolve(null),
    [project, endpoint, isKnown, draft.kind],
  );
  return (
    <>
      {has("path") ? (
        <Typed
          label="Field"
          list={`${id}-fields`}
          value={draft.path ?? ""}
          placeholder="/field"
          wide
          set={(path) => set({ path })}
        />
      ) : null}
      {has("endpoint") ? (
        <>
          {" "}
          of{" "}
          <Typed
            label="Of endpoint"
            list={`${id}-endpoints`}
            value={endpoint}
            placeholder="endpoint"
            disabled={!isNew}
            set={(name) => set({ endpoint: name })}
          />
        </>
      ) : null}
      <datalist id={`${id}-fields`}>
        {fields.data?.data.map(({ path }) => (
          <option key={path} value={path} />
        ))}
      </datalist>
      <datalist id={`${id}-endpoints`}>
        {named.data?.data.map(({ id: own, name }) => (
          <option key={own} value={name} />
        ))}
      </datalist>
      {has("query") ? <Question query={draft.query ?? {}} set={(query) => set({ query })} /> : null}
    </>
  );
}

/** The question as it is sent: which events are counted stands in it. */
function Question({
  query,
  set,
}: {
  query: NonNullable<Draft["query"]>;
  set: (query: NonNullable<Draft["query"]>) => void;
}) {
  return (
    <textarea
      class="pick question"
      aria-label="Question to the events, as POST /v1/query takes it"
      rows={2}
      spellcheck={false}
      onChange={(event) => {
        try {
          set(JSON.parse(event.currentTarget.value));
          event.currentTarget.setCustomValidity("");
        } catch {
          event.currentTarget.setCustomValidity("This is no JSON.");
          event.currentTarget.reportValidity();
        }
      }}
    >
      {JSON.stringify(query)}
    </textarea>
  );
}

function Condition({ draft, set, has }: PartProps & { has: Has }) {
  return (
    <>
      {has("op") ? (
        <Pick
          label="How it lies to the limit"
          value={draft.op ?? "gt"}
          options={OPS}
          choose={(op) => set({ op: op as keyof typeof OPS })}
        />
      ) : null}
      {has("value") ? <Numbered label="Limit value" value={draft.value ?? 0} set={(value) => set({ value })} /> : null}
      {KINDS[draft.kind].unit ? ` ${KINDS[draft.kind].unit} ` : null}
      {has("expression") ? (
        <Typed
          label="Condition"
          value={draft.expression ?? ""}
          placeholder="JMESPath, as @ > `5`"
          wide
          set={(expression) => set({ expression })}
        />
      ) : null}
      {has("for") ? (
        <Typed label="How long" value={draft.for ?? ""} placeholder="3h" set={(length) => set({ for: length })} />
      ) : null}
      {has("of") ? (
        <Pick
          label="What must come"
          value={draft.of ?? "snapshots"}
          options={{ snapshots: "no snapshot at all", versions: "no new version" }}
          choose={(of) => set({ of: of as "snapshots" | "versions" })}
        />
      ) : null}
    </>
  );
}

function InARow({
  label,
  value,
  of,
  choose,
}: {
  label: string;
  value: number;
  of: string;
  choose: (value: number) => void;
}) {
  return (
    <>
      {" "}
      for <Numbered label={label} value={value} least={1} set={choose} /> {of} in a row
    </>
  );
}

function Clear({ draft, set }: PartProps) {
  const { clear } = draft;
  const has = KINDS[draft.kind].parts.includes("value") && draft.kind !== "usual";
  const change = (part: Partial<Schemas["Clear"]>) => set({ clear: { ...clear, ...part } });
  return (
    <Line name="Clear">
      <Pick
        label="What clears it"
        value={clear ? "own" : ""}
        options={{
          "": "as soon as it is over",
          own: has ? "beyond a limit of its own" : "when it is over for a while",
        }}
        choose={(own) => set({ clear: own ? { in_a_row: 1, ...(has ? { value: draft.value ?? 0 } : {}) } : null })}
      />
      {clear ? (
        <>
          {has ? (
            <>
              {lowers(draft) ? " over " : " under "}
              <Numbered
                label="Limit that clears"
                value={clear.value ?? draft.value ?? 0}
                set={(value) => change({ value })}
              />
            </>
          ) : null}
          <InARow
            label="Versions in a row that clear it"
            value={clear.in_a_row ?? 1}
            of={draft.kind === "metric" || draft.kind === "usual" ? "times" : "versions"}
            choose={(in_a_row) => change({ in_a_row })}
          />
        </>
      ) : null}
    </Line>
  );
}

function Tell({ project, draft, set }: PartProps & { project: string }) {
  const webhooks = useLoad((signal) => get("/v1/webhooks", { in: project, signal }), [project]);
  const tell = draft.tell ?? [];
  const names = [...new Set([...(webhooks.data?.data ?? []).map(({ name }) => name), ...tell])];
  const { digest } = draft;
  const at = digest?.at ?? "08:00";
  return (
    <Line name="Tell">
      {names.length === 0 ? <span class="quiet">whoever hears of alerts: no webhook yet</span> : null}
      {names.map((name) => (
        <label key={name} class="pick">
          <input
            type="checkbox"
            checked={tell.includes(name)}
            onChange={() => set({ tell: tell.includes(name) ? tell.filter((each) => each !== name) : [...tell, name] })}
          />
          {name}
        </label>
      ))}
      {names.length > 0 && tell.length === 0 && !digest ? (
        <span class="quiet"> none chosen: those that hear of alerts</span>
      ) : null}{" "}
      <Pick
        label="Digest"
        value={digest?.every ?? ""}
        options={{ "": "each by itself", hourly: "gathered each hour", daily: "gathered each day" }}
        choose={(every) =>
          set({ digest: every ? { every: every as "hourly" | "daily", at, timezone: zone.value } : null })
        }
      />
      {digest?.every === "daily" ? (
        <Clock label="Digest at" value={at} set={(time) => set({ digest: { ...digest, at: time } })} />
      ) : null}
    </Line>
  );
}

function Quiet({ draft, set }: PartProps) {
  const { quiet } = draft;
  const change = (part: Partial<Schemas["Quiet"]>) => quiet && set({ quiet: { ...quiet, ...part } });
  return (
    <Line name="Quiet">
      <Pick
        label="Quiet hours"
        value={quiet?.then ?? ""}
        options={{ "": "never", hold: "held until they end", drop: "told nobody" }}
        choose={(then) =>
          set({
            quiet: then
              ? { ...(quiet ?? { from: "22:00", to: "07:00", timezone: zone.value }), then: then as "hold" | "drop" }
              : null,
          })
        }
      />
      {quiet ? (
        <>
          {" "}
          from <Clock label="Quiet from" value={quiet.from} set={(from) => change({ from })} /> to{" "}
          <Clock label="Quiet to" value={quiet.to} set={(to) => change({ to })} />{" "}
          <span class="quiet">{quiet.timezone}</span>
        </>
      ) : null}
    </Line>
  );
}

function Pick({
  label,
  value,
  options,
  choose,
}: {
  label: string;
  value: string;
  options: Readonly<Record<string, string>>;
  choose: (value: string) => void;
}) {
  return (
    <select class="pick" aria-label={label} value={value} onChange={(event) => choose(event.currentTarget.value)}>
      {Object.entries(options).map(([each, text]) => (
        <option key={each} value={each}>
          {text}
        </option>
      ))}
    </select>
  );
}

interface TypedProps {
  label: string;
  value: string;
  placeholder?: string;
  list?: string;
  wide?: boolean;
  disabled?: boolean;
  set: (value: string) => void;
}

function Typed({ label, value, placeholder, list, wide, disabled, set }: TypedProps) {
  return (
    <input
      class={wide ? "pick wide" : "pick"}
      aria-label={label}
      value={value}
      placeholder={placeholder}
      list={list}
      disabled={disabled}
      autocomplete="off"
      spellcheck={false}
      maxLength={2000}
      onInput={(event) => set(event.currentTarget.value)}
    />
  );
}

function Numbered({
  label,
  value,
  least,
  set,
}: {
  label: string;
  value: number;
  least?: number;
  set: (value: number) => void;
}) {
  return (
    <input
      class="pick number"
      type="number"
      step={least === undefined ? "any" : 1}
      min={least}
      aria-label={label}
      value={value}
      onInput={(event) => {
        const typed = event.currentTarget.valueAsNumber;
        if (Number.isFinite(typed) && (least === undefined || typed >= least)) set(typed);
      }}
    />
  );
}

function Clock({ label, value, set }: { label: string; value: string; set: (value: string) => void }) {
  return (
    <input
      class="pick"
      type="time"
      aria-label={label}
      value={value}
      onInput={(event) => event.currentTarget.value && set(event.currentTarget.value)}
    />
  );
}
