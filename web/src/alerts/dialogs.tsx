import { patch, remove } from "../api.ts";
import { counted } from "../numbers.ts";
import { Destroy } from "../parts/Destroy.tsx";
import { Dialog } from "../parts/Dialog.tsx";
import { Choice, Field, Form, SubmitOrCancel, text } from "../parts/Form.tsx";
import { setQuery } from "../state/location.ts";
import type { Rule } from "./rule.ts";

interface DialogProps {
  project: string;
  done: () => void;
  close: () => void;
}

const LENGTHS = [
  ["3600", "An hour"],
  ["28800", "Eight hours"],
  ["86400", "A day"],
  ["604800", "A week"],
  ["0", "No more: it is told again"],
] as const;

/** Of one rule or all: what they raise can be read all the same. */
export function Mute({ project, rules, done, close }: DialogProps & { rules: readonly Rule[] }) {
  const send = async (data: FormData) => {
    const seconds = Number(text(data, "for"));
    const muted_until = seconds === 0 ? null : new Date(Date.now() + seconds * 1000).toISOString();
    for (const rule of rules) {
      await patch("/v1/alerts/rules/{rule_id}", { in: project, path: { rule_id: rule.id }, body: { muted_until } });
    }
    done();
  };
  const what = rules.length === 1 ? rules[0]?.name : counted(rules.length, "rule");
  return (
    <Dialog
      title={`Mute ${what}`}
      lead="Nobody is told meanwhile; what is raised stands here all the same."
      close={close}
    >
      <Form send={send} tried="Muting">
        {(form) => (
          <>
            <Choice label="For how long" name="for" options={LENGTHS} />
            <SubmitOrCancel form={form} close={close}>
              Mute
            </SubmitOrCancel>
          </>
        )}
      </Form>
    </Dialog>
  );
}

export function DeleteRule({ project, rule, done, close }: DialogProps & { rule: Rule }) {
  const run = async () => {
    await remove("/v1/alerts/rules/{rule_id}", { in: project, path: { rule_id: rule.id } });
    setQuery({ rule: null, draft: null, at: null });
    done();
  };
  return (
    <Destroy
      title={`Delete ${rule.name}`}
      lead="What it raised goes too. This cannot be undone."
      label="Type its name"
      name={rule.name}
      action="Delete"
      run={run}
      close={close}
    />
  );
}

interface NameProps {
  rule: Rule | null;
  save: (name: string) => Promise<void>;
  close: () => void;
}

export function NameRule({ rule, save, close }: NameProps) {
  return (
    <Dialog
      title={rule ? "Rename the rule" : "Name the alert"}
      lead="What people are told begins with it."
      close={close}
    >
      <Form send={(data) => save(text(data, "name").trim())} tried="Saving">
        {(form) => (
          <>
            <Field
              form={form}
              label="Name"
              name="name"
              required
              maxLength={200}
              autofocus
              defaultValue={rule?.name ?? ""}
            />
            <SubmitOrCancel form={form} close={close}>
              Save
            </SubmitOrCancel>
          </>
        )}
      </Form>
    </Dialog>
  );
}
