import { useState } from "preact/hooks";
import { patch, post, type Schemas } from "../api.ts";
import { Dialog } from "../parts/Dialog.tsx";
import { Field, Form, type FormState, LinesField, SubmitOrCancel, text, Wrong } from "../parts/Form.tsx";
import { KINDS, type Webhook } from "./words.ts";

type Format = Webhook["format"];

/** In whose words it is sent, and what the address is there. */
const FORMATS: Record<Format, [name: string, address: string]> = {
  delta: ["Delta's own JSON", "It answers 2xx when it has taken what was sent."],
  cloudevents: ["CloudEvents 1.0", "It answers 2xx when it has taken what was sent."],
  slack: ["Slack, Mattermost", "Of an incoming webhook."],
  discord: ["Discord", "Of a channel's webhook."],
  teams: ["Microsoft Teams", "Of a workflow that posts to a channel."],
  ntfy: ["ntfy", "Ends with the topic: https://ntfy.sh/TOPIC"],
  gotify: ["Gotify", "https://SERVER/message"],
  telegram: ["Telegram", "https://api.telegram.org/botTOKEN/sendMessage"],
  matrix: ["Matrix", "Of the home server."],
  email: ["E-mail", ""],
  apprise: ["Apprise", "Such as discord://ID/TOKEN, where the server's operator has turned it on."],
  template: ["A text of your own", "Where the text is sent to."],
};
const TO: Partial<Record<Format, string>> = {
  telegram: "Chat id, or @ and the name of a channel",
  matrix: "Room id, which begins with !",
  email: "E-mail address of somebody with an account here",
};
const TOKEN: Partial<Record<Format, string>> = { matrix: "authorization", gotify: "x-gotify-key" };

interface FormProps {
  project: string;
  /** null: another one. */
  webhook: Webhook | null;
  /** `secret` is null where none was made. */
  done: (secret: string | null) => void;
  close: () => void;
}

/** Makes a webhook, or changes one. Its address and headers are secrets, which are not shown again: empty, they stay. */
export function WebhookForm({ project, webhook, done, close }: FormProps) {
  const [format, setFormat] = useState<Format>(webhook?.format ?? "delta");
  const send = async (data: FormData) => {
    const url = text(data, "url").trim();
    const body = {
      name: text(data, "name").trim(),
      events: data.getAll("events").map(String),
      format,
      filter: filterOf(data),
      ...(url ? { url } : {}),
      ...targetOf(data, format),
    };
    if (webhook === null) {
      done((await post("/v1/webhooks", { in: project, body: body as Schemas["NewWebhook"] })).secret);
      return;
    }
    await patch("/v1/webhooks/{webhook_id}", { in: project, path: { webhook_id: webhook.id }, body });
    done(null);
  };
  return (
    <Dialog
      title={webhook ? `Change ${webhook.name}` : "New webhook"}
      lead="What happens from now on is sent to an address, signed, in order, until it has arrived."
      close={close}
    >
      <Form send={send} tried={webhook ? "Changing the webhook" : "Making the webhook"}>
        {(form) => (
          <>
            <Field
              form={form}
              label="Name"
              name="name"
              required
              maxLength={200}
              autofocus
              defaultValue={webhook?.name ?? ""}
            />
            <Pick form={form} format={format} choose={setFormat} />
            <Target form={form} format={format} webhook={webhook} />
            <Events form={form} chosen={webhook?.events ?? ["delta.created"]} />
            <Filters form={form} webhook={webhook} />
            <SubmitOrCancel form={form} close={close}>
              {webhook ? "Save" : "Make the webhook"}
            </SubmitOrCancel>
          </>
        )}
      </Form>
    </Dialog>
  );
}

function Pick({ form, format, choose }: { form: FormState; format: Format; choose: (format: Format) => void }) {
  const error = form.of("format");
  return (
    <div class="field">
      <label for="webhook-format">Sent as</label>
      <select
        id="webhook-format"
        name="format"
        value={format}
        onChange={(event) => choose(event.currentTarget.value as Format)}
        aria-invalid={error ? "true" : undefined}
        aria-describedby={error ? "webhook-format-note" : undefined}
      >
        {Object.entries(FORMATS).map(([value, [name]]) => (
          <option key={value} value={value}>
            {name}
          </option>
        ))}
      </select>
      <Wrong id="webhook-format-note" error={error} />
    </div>
  );
}

/** Where to, as the format has it. */
function Target({ form, format, webhook }: { form: FormState; format: Format; webhook: Webhook | null }) {
  const [stays, to, token] = [webhook?.format === format, TO[format], TOKEN[format]];
  return (
    <>
      {format === "email" ? null : (
        <Field
          form={form}
          label="Address"
          name="url"
          type="url"
          required={webhook === null}
          autocomplete="off"
          placeholder={webhook?.url || "https://"}
          hint={webhook ? `Left empty, it stays. ${FORMATS[format][1]}` : FORMATS[format][1]}
        />
      )}
      {to ? <Field form={form} label={to} name="to" required defaultValue={stays ? (webhook?.to ?? "") : ""} /> : null}
      {token ? (
        <Field
          form={form}
          label="Token"
          name="headers"
          autocomplete="off"
          required={!stays}
          hint={stays ? "Left empty, it stays." : `Sent in the header ${token}.`}
        />
      ) : null}
      {format === "template" ? (
        <LinesField
          form={form}
          label="Text, with {{ data.endpoint.name }} for values of the message"
          name="template"
          rows={4}
          required
          value={stays ? (webhook?.template ?? "") : ""}
        />
      ) : null}
    </>
  );
}

function targetOf(data: FormData, format: Format) {
  const token = text(data, "headers").trim();
  const header = TOKEN[format];
  const value = format === "matrix" && !token.startsWith("Bearer ") ? `Bearer ${token}` : token;
  return {
    to: TO[format] ? text(data, "to").trim() : null,
    template: format === "template" ? text(data, "template") : null,
    ...(header && token ? { headers: { [header]: value } } : {}),
  };
}

function filterOf(data: FormData): Schemas["Filter"] {
  const [field, condition, least] = ["field", "condition", "min_changes"].map((name) =>
    text(data, `filter.${name}`).trim(),
  );
  const endpoints = text(data, "filter.endpoints")
    .split("\n")
    .map((line) => line.trim())
    .filter(Boolean);
  return {
    ...(endpoints.length > 0 ? { endpoints } : {}),
    ...(field ? { field } : {}),
    ...(condition ? { condition } : {}),
    ...(least ? { min_changes: Number(least) } : {}),
  };
}

function Events({ form, chosen }: { form: FormState; chosen: readonly string[] }) {
  const error = form.of("events");
  const families = chosen.filter((pattern) => !(pattern in KINDS));
  const is = (kind: string) => chosen.includes(kind);
  return (
    <fieldset class="field choices many" aria-describedby={error ? "webhook-events-note" : undefined}>
      <legend>What it is sent</legend>
      {families.map((pattern) => (
        <Event key={pattern} name={pattern} said={pattern === "*" ? "All there is" : "All of its kind"} checked />
      ))}
      {Object.entries(KINDS).map(([kind, said]) => (
        <Event key={kind} name={kind} said={said} checked={is(kind)} />
      ))}
      <Wrong id="webhook-events-note" error={error} />
    </fieldset>
  );
}

function Event({ name, said, checked }: { name: string; said: string; checked: boolean }) {
  return (
    <label>
      <input type="checkbox" name="events" value={name} defaultChecked={checked} />
      <span>
        <code>{name}</code>
        <small>{said}</small>
      </span>
    </label>
  );
}

function Filters({ form, webhook }: { form: FormState; webhook: Webhook | null }) {
  const filter = webhook?.filter ?? {};
  const isFiltered = Object.values(filter).some((value) => value !== null && String(value) !== "");
  return (
    <details class="only" open={isFiltered}>
      <summary>Only some of it</summary>
      <LinesField
        form={form}
        label="Endpoints, one a line; * at the end stands for any end"
        name="filter.endpoints"
        rows={2}
        value={(filter.endpoints ?? []).join("\n")}
      />
      <Field
        form={form}
        label="Field that must have changed"
        name="filter.field"
        placeholder="/items/*/price"
        spellcheck={false}
        defaultValue={filter.field ?? ""}
      />
      <Field
        form={form}
        label="Edits, at least"
        name="filter.min_changes"
        type="number"
        min={1}
        defaultValue={filter.min_changes ? String(filter.min_changes) : ""}
      />
      <Field
        form={form}
        label="Condition, JMESPath over the message"
        name="filter.condition"
        placeholder="data.delta.added > `0`"
        spellcheck={false}
        defaultValue={filter.condition ?? ""}
      />
    </details>
  );
}
