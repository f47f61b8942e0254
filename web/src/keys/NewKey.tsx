import { useState } from "preact/hooks";
import { post, type Schemas } from "../api.ts";
import { Dialog } from "../parts/Dialog.tsx";
import { Choice, Field, Form, type FormState, SubmitOrCancel, text, Wrong } from "../parts/Form.tsx";
import { keyBody, LIVES, PRESETS, SCOPES, type Scope } from "./scopes.ts";

interface NewKeyProps {
  project: string;
  made: (answer: Schemas["KeyAnswer"]) => void;
  close: () => void;
}

export function NewKey({ project, made, close }: NewKeyProps) {
  const [preset, setPreset] = useState("write");
  const send = async (data: FormData) => {
    const custom = data.getAll("scopes").map(String) as Scope[];
    const body = { ...keyBody(text(data, "name"), preset, custom, text(data, "expires_in")), project };
    made(await post("/v1/auth/api-keys", { in: project, body: body as Schemas["NewKey"] }));
  };
  return (
    <Dialog title="New key" lead="A program signs its requests with it. You see it once." close={close}>
      <Form send={send} tried="Making the key">
        {(form) => (
          <>
            <Field
              form={form}
              label="Name"
              name="name"
              maxLength={200}
              autofocus
              hint="A note to tell it from others."
            />
            <fieldset class="field choices">
              <legend>It may</legend>
              {[...PRESETS, { id: "custom", name: "Chosen scopes", hint: "" }].map(({ id, name, hint }) => (
                <label key={id}>
                  <input type="radio" name="preset" value={id} checked={preset === id} onChange={() => setPreset(id)} />
                  <span>
                    {name}
                    {hint ? <small>{hint}</small> : null}
                  </span>
                </label>
              ))}
            </fieldset>
            {preset === "custom" ? <Scopes form={form} /> : null}
            <Choice label="Expires" name="expires_in" options={Object.entries(LIVES)} />
            <SubmitOrCancel form={form} close={close}>
              Make the key
            </SubmitOrCancel>
          </>
        )}
      </Form>
    </Dialog>
  );
}

function Scopes({ form }: { form: FormState }) {
  const error = form.of("scopes");
  return (
    <fieldset class="field choices many" aria-describedby={error ? "new-key-scopes-note" : undefined}>
      <legend>Scopes</legend>
      {Object.entries(SCOPES).map(([scope, hint]) => (
        <label key={scope}>
          <input type="checkbox" name="scopes" value={scope} />
          <span>
            <code>{scope}</code>
            <small>{hint}</small>
          </span>
        </label>
      ))}
      <Wrong id="new-key-scopes-note" error={error} />
    </fieldset>
  );
}
