import { Field, Form, type FormState, Submit, text } from "../parts/Form.tsx";
import { go } from "../state/location.ts";
import { toast } from "../state/toasts.ts";
import { Part } from "./Frame.tsx";

/** What a project and an endpoint are known by. */
export interface Named {
  name: string;
  description: string;
}

export function namedOf(data: FormData): Named {
  return { name: text(data, "name").trim(), description: text(data, "description").trim() };
}

interface FieldsProps {
  form: FormState;
  value?: Named;
  hint?: string;
  placeholder?: string;
  autofocus?: boolean;
}

/** Inputs for what `namedOf` reads. */
export function NamedFields({ form, value, ...input }: FieldsProps) {
  return (
    <>
      <Field
        form={form}
        label="Name"
        name="name"
        required
        maxLength={200}
        {...(value ? { defaultValue: value.name } : {})}
        {...input}
      />
      <Field
        form={form}
        label="Description"
        name="description"
        maxLength={2000}
        {...(value ? { defaultValue: value.description } : {})}
      />
    </>
  );
}

interface GeneralProps {
  value: Named;
  lead?: string;
  /** What a new name means. */
  hint: string;
  /** Resolves to the address of these settings under the name that was saved. */
  save: (named: Named) => Promise<string>;
}

export function GeneralPart({ value, lead, hint, save }: GeneralProps) {
  const send = async (data: FormData) => {
    const address = await save(namedOf(data));
    toast("Saved");
    go(address, { replace: true });
  };
  return (
    <Part title="General" lead={lead}>
      <Form send={send} tried="Saving">
        {(form) => (
          <>
            <NamedFields form={form} value={value} hint={hint} />
            <div class="acts">
              <Submit form={form}>Save</Submit>
            </div>
          </>
        )}
      </Form>
    </Part>
  );
}
