import { useId } from "preact/hooks";
import type { Draft } from "./draft.ts";
import { PairsField } from "./PairsField.tsx";

interface RulesFormProps {
  draft: Draft;
  change: (draft: Draft) => void;
  /** The array whose key somebody came to set; null where for nothing of that kind. */
  keyOf: string | null;
}

/** The rules of comparison, each with what it means. */
export function RulesForm({ draft, change, keyOf }: RulesFormProps) {
  const set = (part: Partial<Draft>) => change({ ...draft, ...part });
  return (
    <div class="form">
      <Area
        label="Ignored places"
        hint="One pattern a line. * stands for one step, ** for any number of them. The stored documents keep them."
        example={"/metadata/generated\n/**/updated_at"}
        value={draft.ignore}
        change={(ignore) => set({ ignore })}
      />
      <PairsField
        label="Keys of records"
        hint="What tells the elements of a list apart: one to three fields, with commas. Found by itself where it is not said."
        pairs={draft.keys}
        pathExample="/features"
        valueExample="properties/url"
        valueName="fields"
        change={(keys) => set({ keys })}
        begin={keyOf}
      />
      <PairsField
        label="Labels of records"
        hint="The field that people know them by. It changes no comparison."
        pairs={draft.labels}
        pathExample="/features"
        valueExample="properties/title"
        valueName="field"
        change={(labels) => set({ labels })}
      />
      <PairsField
        label="Tolerances"
        hint="Numbers that differ by no more are equal."
        pairs={draft.tolerances}
        pathExample="/prices/*"
        valueExample="0.01"
        valueName="number"
        change={(tolerances) => set({ tolerances })}
      />
      {draft.tolerances.length === 0 ? (
        <Line
          label="Tolerance of all numbers"
          value={draft.tolerance}
          example="0"
          change={(tolerance) => set({ tolerance })}
        />
      ) : null}
      <Area
        label="Lists whose order means nothing"
        hint="One path a line. In others a moved element is a change."
        example="/tags"
        value={draft.sets}
        change={(sets) => set({ sets })}
      />
    </div>
  );
}

interface TextProps {
  label: string;
  value: string;
  example: string;
  change: (text: string) => void;
}

function Area({ label, hint, value, example, change }: TextProps & { hint: string }) {
  const id = useId();
  const rows = Math.min(12, Math.max(2, value.split("\n").length + 1));
  return (
    <div class="field">
      <label for={id}>{label}</label>
      <textarea
        id={id}
        class="mono"
        rows={rows}
        value={value}
        placeholder={example}
        spellcheck={false}
        onInput={(event) => change(event.currentTarget.value)}
      />
      <small>{hint}</small>
    </div>
  );
}

function Line({ label, value, example, change }: TextProps) {
  const id = useId();
  return (
    <div class="field">
      <label for={id}>{label}</label>
      <input
        id={id}
        value={value}
        placeholder={example}
        inputMode="decimal"
        onInput={(event) => change(event.currentTarget.value)}
      />
    </div>
  );
}
