import { zone } from "../state/zone.ts";
import { Clear, Condition, InARow } from "./Condition.tsx";
import { Quiet, Tell } from "./Hearers.tsx";
import { Line, Pick } from "./inputs.tsx";
import { type Draft, hasPart, isOfEvents, KINDS, type Kind, type Part, withKind } from "./rule.ts";
import { Subject } from "./Subject.tsx";

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
  const has = (part: Part) => hasPart(draft.kind, part);
  const set = (part: Partial<Draft>) => change({ ...draft, ...part });
  return (
    <fieldset class="sent" disabled={!canChange}>
      <legend class="sr">The rule</legend>
      <Line name="Raise">
        <span class="word">when</span>{" "}
        <Pick
          label="What raises it"
          value={draft.kind}
          options={Object.fromEntries(Object.entries(KINDS).map(([kind, { name }]) => [kind, name]))}
          choose={(kind) => change(withKind(draft, kind as Kind, zone.value))}
        />
        <Subject project={project} draft={draft} isNew={isNew} set={set} has={has} />
        <Condition draft={draft} set={set} has={has} />
        {has("in_a_row") ? (
          <InARow
            label="Versions in a row that raise it"
            value={draft.in_a_row ?? 1}
            of={isOfEvents(draft) ? "times" : "versions"}
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
