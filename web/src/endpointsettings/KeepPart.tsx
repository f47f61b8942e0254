import { useState } from "preact/hooks";
import { patch, type Schemas } from "../api.ts";
import { bytes, counted } from "../numbers.ts";
import { Failure } from "../parts/Failure.tsx";
import { Field, Form, Submit } from "../parts/Form.tsx";
import { Part } from "../settings/Frame.tsx";
import { toast } from "../state/toasts.ts";
import { usePreview } from "./usePreview.ts";

interface KeepProps {
  project: string;
  endpoint: Schemas["Endpoint"];
  changed: () => void;
}

type Retention = Schemas["RetentionShown"];

/** Which versions are kept, with what would go at once. */
export function KeepPart({ project, endpoint, changed }: KeepProps) {
  const stored = endpoint.retention;
  const [days, setDays] = useState(textOf(stored.keep_days));
  const [last, setLast] = useState(textOf(stored.keep_last));
  const next: Retention = { keep_days: numberOf(days), keep_last: numberOf(last) };
  const edited = next.keep_days !== stored.keep_days || next.keep_last !== stored.keep_last;
  const send = async () => {
    await patch("/v1/endpoints/{endpoint}", {
      in: project,
      path: { endpoint: endpoint.id },
      body: { retention: next } as unknown as Schemas["EndpointChange"],
    });
    changed();
    toast("What is kept is saved");
  };
  return (
    <Part id="keep" title="Retention" lead="A version stays when either rule keeps it. Without a rule all stay.">
      <Form send={send} tried="Saving">
        {(form) => (
          <>
            <div class="two">
              <Count
                form={form}
                label="Keep those younger than, in days"
                name="retention.keep_days"
                value={days}
                change={setDays}
              />
              <Count form={form} label="Keep the latest" name="retention.keep_last" value={last} change={setLast} />
            </div>
            {edited && (next.keep_days !== null || next.keep_last !== null) ? (
              <WouldGo project={project} endpoint={endpoint} retention={next} />
            ) : null}
            {edited ? (
              <div class="acts">
                <Submit form={form}>Save</Submit>
              </div>
            ) : null}
          </>
        )}
      </Form>
    </Part>
  );
}

interface CountProps {
  form: Parameters<typeof Field>[0]["form"];
  label: string;
  name: string;
  value: string;
  change: (text: string) => void;
}

function Count({ form, label, name, value, change }: CountProps) {
  return (
    <Field
      form={form}
      label={label}
      name={name}
      type="number"
      min={1}
      step={1}
      placeholder="no rule"
      value={value}
      onInput={(event) => change(event.currentTarget.value)}
    />
  );
}

function textOf(value: number | null): string {
  return value === null ? "" : String(value);
}

function numberOf(text: string): number | null {
  return text.trim() === "" ? null : Number(text);
}

function WouldGo({
  project,
  endpoint,
  retention,
}: {
  project: string;
  endpoint: Schemas["Endpoint"];
  retention: Retention;
}) {
  const tried = usePreview(project, endpoint.id, { retention });
  if (tried.error) return <Failure tried="Counting what would go" error={tried.error} retry={tried.again} />;
  const gone = tried.data as Schemas["RetentionPreview"] | undefined;
  if (!gone) return <p class="verdict quiet">Counting what would go …</p>;
  return (
    <p class="verdict" role="status">
      {gone.versions === 0 ? (
        "Nothing would go now."
      ) : (
        <>
          <b>
            {counted(gone.versions, "version")}, {bytes(gone.bytes)}
          </b>{" "}
          would go for good.
        </>
      )}
    </p>
  );
}
