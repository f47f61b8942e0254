import type { ComponentChildren } from "preact";
import { useState } from "preact/hooks";
import { Dialog } from "./Dialog.tsx";
import { Field, Form } from "./Form.tsx";

interface DestroyProps {
  title: string;
  /** What would go: "200 versions, 24.4 kB". */
  lead: ComponentChildren;
  /** What is to be typed. */
  name: string;
  label: string;
  action: string;
  run: () => Promise<void>;
  close: () => void;
}

/** Asks for the name of what is to be destroyed, typed: nobody does it by a wrong click. */
export function Destroy({ title, lead, name, label, action, run, close }: DestroyProps) {
  const [typed, setTyped] = useState("");
  const fits = typed.trim() === name.trim();
  const send = async () => {
    if (fits) await run();
  };
  return (
    <Dialog title={title} lead={lead} close={close}>
      <Form send={send} tried={title}>
        {(form) => (
          <>
            <Field
              form={form}
              label={label}
              name="typed"
              autocomplete="off"
              spellcheck={false}
              placeholder={name}
              onInput={(event) => setTyped(event.currentTarget.value)}
            />
            <div class="acts">
              <button class="btn" type="button" onClick={close}>
                Cancel
              </button>
              <button class="btn danger" type="submit" disabled={!fits || form.busy}>
                {action}
              </button>
            </div>
          </>
        )}
      </Form>
    </Dialog>
  );
}
