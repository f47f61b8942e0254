import type { Schemas } from "../api.ts";
import { type Has, Line, Numbered, type PartProps, Pick, Typed } from "./inputs.tsx";
import { type Draft, isOfEvents, KINDS, lowers, OPS } from "./rule.ts";

/** How many deviations off is far. */
const FAR = 6;

function unitOf({ kind, value }: Draft): string | null {
  const unit = kind === "anomaly" && typeof value === "number" ? "deviations" : KINDS[kind].unit;
  return unit ? ` ${unit} ` : null;
}

/** What a value must be to raise it. */
export function Condition({ draft, set, has }: PartProps & { has: Has }) {
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
      {draft.kind === "anomaly" ? (
        <Pick
          label="How unusual"
          value={typeof draft.value === "number" ? "far" : ""}
          options={{ "": "at all", far: "by at least" }}
          choose={(far) => set({ value: far ? FAR : null })}
        />
      ) : null}
      {has("value") && (draft.kind !== "anomaly" || typeof draft.value === "number") ? (
        <Numbered label="Limit value" value={draft.value ?? 0} set={(value) => set({ value })} />
      ) : null}
      {unitOf(draft)}
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

export function InARow({
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

/** What clears it again. */
export function Clear({ draft, set }: PartProps) {
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
            of={isOfEvents(draft) ? "times" : "versions"}
            choose={(in_a_row) => change({ in_a_row })}
          />
        </>
      ) : null}
    </Line>
  );
}
