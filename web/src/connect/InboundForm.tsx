import { useState } from "preact/hooks";
import { post, put, type Schemas } from "../api.ts";
import { Dialog } from "../parts/Dialog.tsx";
import { EndpointField } from "../parts/EndpointField.tsx";
import { Field, Form, type FormState, SubmitOrCancel, text } from "../parts/Form.tsx";
import { Problem } from "../problem.ts";
import { SCHEMES, type Scheme, SENDERS } from "./senders.ts";

export type Inbound = Schemas["InboundWebhook"];
export type InboundAnswer = Schemas["InboundWebhookAnswer"];

interface InboundFormProps {
  project: string;
  /** None makes one. */
  webhook: Inbound | null;
  /** The settings that are to be saved once the sender has shown its secret; null where all is done. */
  done: (answer: InboundAnswer, later: Schemas["SetInboundWebhook"] | null) => void;
  close: () => void;
}

/** Makes an inbound webhook, or changes one. */
export function InboundForm({ project, webhook, done, close }: InboundFormProps) {
  const [scheme, setScheme] = useState<Scheme>(webhook?.verify.scheme ?? "none");
  const send = async (data: FormData) => {
    const endpoint = webhook?.endpoint ?? text(data, "endpoint").trim();
    const wanted = settingsOf(data, scheme);
    const waits = webhook === null && SENDERS[scheme].isLater === true && wanted.verify?.secret === undefined;
    const body = waits ? { ...wanted, verify: { scheme: "none" as const }, enabled: false } : wanted;
    done(await setInbound(project, endpoint, body), waits ? wanted : null);
  };
  return (
    <Dialog
      title={webhook ? `Deliveries for ${webhook.endpoint}` : "An address for deliveries"}
      lead="What another service sends there becomes the endpoint’s next snapshot, or an event."
      close={close}
    >
      <Form send={send} tried="Saving">
        {(form) => (
          <>
            {webhook ? null : (
              <EndpointField
                project={project}
                form={form}
                name="endpoint"
                required
                hint="One that is not there yet is made."
              />
            )}
            <div class="field">
              <label for="inbound-scheme">Sender</label>
              <select
                id="inbound-scheme"
                name="verify.scheme"
                value={scheme}
                onChange={(event) => setScheme(event.currentTarget.value as Scheme)}
              >
                {SCHEMES.map((each) => (
                  <option key={each} value={each}>
                    {SENDERS[each].name}
                  </option>
                ))}
              </select>
            </div>
            <Secret form={form} scheme={scheme} webhook={webhook} />
            {scheme === "hmac" ? <Signature form={form} webhook={webhook} /> : null}
            <More form={form} scheme={scheme} webhook={webhook} />
            <SubmitOrCancel form={form} close={close}>
              {webhook ? "Save" : "Make the address"}
            </SubmitOrCancel>
          </>
        )}
      </Form>
    </Dialog>
  );
}

interface PartProps {
  form: FormState;
  webhook: Inbound | null;
}

function Secret({ form, scheme, webhook }: PartProps & { scheme: Scheme }) {
  const { secret, isLater } = SENDERS[scheme];
  if (secret === null) return null;
  const stays = webhook?.verify.has_secret && webhook.verify.scheme === scheme;
  const waits = webhook === null && isLater;
  const hint = stays ? "Left empty, it stays; the one before is taken for another day." : secret;
  return (
    <Field
      form={form}
      label="Its secret"
      name="verify.secret"
      autocomplete="off"
      spellcheck={false}
      maxLength={500}
      required={!stays && !waits}
      hint={waits ? `${hint} Leave it empty until then.` : hint}
    />
  );
}

function Signature({ form, webhook }: PartProps) {
  const verify = webhook?.verify;
  return (
    <>
      <Field
        form={form}
        label="Header with the signature"
        name="verify.header"
        required
        placeholder="X-Signature"
        spellcheck={false}
        defaultValue={verify?.header ?? ""}
      />
      <Pick name="verify.algorithm" label="Hash" options={["sha256", "sha1", "sha512"]} value={verify?.algorithm} />
      <Pick name="verify.encoding" label="Written as" options={["hex", "base64"]} value={verify?.encoding} />
      <Field
        form={form}
        label="Stands before it"
        name="verify.prefix"
        placeholder="sha256="
        spellcheck={false}
        defaultValue={verify?.prefix ?? ""}
      />
    </>
  );
}

function Pick({
  name,
  label,
  options,
  value,
}: {
  name: string;
  label: string;
  options: readonly string[];
  value: string | undefined;
}) {
  return (
    <div class="field">
      <label for={name}>{label}</label>
      <select id={name} name={name} defaultValue={value ?? options[0] ?? ""}>
        {options.map((each) => (
          <option key={each}>{each}</option>
        ))}
      </select>
    </div>
  );
}

function More({ form, scheme, webhook }: PartProps & { scheme: Scheme }) {
  const { transform = "", event_type = "", verify } = webhook ?? {};
  return (
    <details class="inbound-more" open={Boolean(transform || event_type || verify?.id_header)}>
      <summary>What of it is stored</summary>
      <Field
        form={form}
        label="The part that is kept, JMESPath"
        name="transform"
        placeholder="all of the body"
        spellcheck={false}
        defaultValue={transform}
      />
      <Field
        form={form}
        label="The type of an event, JMESPath"
        name="event_type"
        placeholder="as the sender says"
        spellcheck={false}
        defaultValue={event_type}
      />
      {scheme === "none" || scheme === "hmac" ? (
        <Field
          form={form}
          label="Header that tells deliveries apart"
          name="verify.id_header"
          placeholder="none"
          spellcheck={false}
          defaultValue={verify?.id_header ?? ""}
        />
      ) : null}
      {webhook ? (
        <div class="field choices">
          <label>
            <input type="checkbox" name="enabled" defaultChecked={webhook.enabled} />
            <span>
              Takes deliveries
              <small>Where not, all are answered 404</small>
            </span>
          </label>
        </div>
      ) : (
        <input type="hidden" name="enabled" value="on" />
      )}
    </details>
  );
}

function settingsOf(data: FormData, scheme: Scheme): Schemas["SetInboundWebhook"] {
  const secret = text(data, "verify.secret").trim();
  const own = Object.fromEntries(
    ["header", "algorithm", "encoding", "prefix", "id_header"].flatMap((name) => {
      const value = text(data, `verify.${name}`).trim();
      return value ? [[name, value]] : [];
    }),
  );
  return {
    verify: { scheme, ...own, ...(secret ? { secret } : {}) },
    transform: text(data, "transform").trim(),
    event_type: text(data, "event_type").trim(),
    enabled: data.has("enabled"),
  };
}

/** An endpoint that is not there yet is made. */
export async function setInbound(project: string, endpoint: string, body: Schemas["SetInboundWebhook"]) {
  const set = () => put("/v1/endpoints/{endpoint}/inbound-webhook", { in: project, path: { endpoint }, body });
  try {
    return await set();
  } catch (error) {
    if (!(error instanceof Problem) || error.status !== 404) throw error;
    await post("/v1/endpoints", { in: project, body: { name: endpoint } });
    return await set();
  }
}
