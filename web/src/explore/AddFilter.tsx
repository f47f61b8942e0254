import { useId } from "preact/hooks";
import { Dialog } from "../parts/Dialog.tsx";
import { Choice, Field, Form, SubmitOrCancel, text } from "../parts/Form.tsx";
import { addCondition } from "./changing.ts";
import { OPERATIONS, type Operation } from "./question.ts";
import { COLUMNS, type Found } from "./rows.ts";

const NEEDS_NUMBER: readonly string[] = ["gt", "gte", "lt", "lte"];

export function AddFilter({ found, close }: { found: Found; close: () => void }) {
  const list = useId();
  const fields = [...new Set([...found.groups, ...found.numbers, ...COLUMNS])];
  const send = async (data: FormData) => {
    const operation = text(data, "operation") as Operation;
    const values = operation === "exists" || operation === "missing" ? [] : [typed(text(data, "value"), operation)];
    addCondition({ field: text(data, "field").trim(), operation, values });
    close();
  };
  return (
    <Dialog title="Only events where" close={close}>
      <Form send={send}>
        {(form) => (
          <>
            <datalist id={list}>
              {fields.map((field) => (
                <option key={field} value={field} />
              ))}
            </datalist>
            <label class="field">
              <span>Field</span>
              <input name="field" list={list} required maxLength={200} spellcheck={false} autocomplete="off" />
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
function typed(value: string, operation: Operation): string | number | boolean {
  if (value === "true" || value === "false") return value === "true";
  const number = Number(value);
  return NEEDS_NUMBER.includes(operation) && value.trim() !== "" && !Number.isNaN(number) ? number : value;
}
