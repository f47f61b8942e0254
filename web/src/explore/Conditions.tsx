import { useState } from "preact/hooks";
import { Icon } from "../parts/Icon.tsx";
import { query } from "../state/location.ts";
import { AddFilter } from "./AddFilter.tsx";
import { removeCondition } from "./changing.ts";
import { conditionName } from "./names.ts";
import { readCondition } from "./question.ts";
import type { Found } from "./rows.ts";

/** The conditions in the address, each gone by a click, and one more. */
export function Conditions({ found }: { found: Found }) {
  const [adding, setAdding] = useState(false);
  const texts = query.value.getAll("f").filter((text) => readCondition(text) !== null);
  return (
    <>
      {texts.map((each) => (
        <ConditionChip key={each} text={each} />
      ))}
      <button class="fchip" type="button" aria-label="Add a filter" onClick={() => setAdding(true)}>
        <Icon name="add" />
      </button>
      {adding ? <AddFilter found={found} close={() => setAdding(false)} /> : null}
    </>
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
