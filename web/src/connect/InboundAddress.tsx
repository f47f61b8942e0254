import { useState } from "preact/hooks";
import type { Schemas } from "../api.ts";
import { Copy } from "../parts/Copy.tsx";
import { Dialog } from "../parts/Dialog.tsx";
import { Field, Form, Submit, text } from "../parts/Form.tsx";
import { Segments } from "../parts/Segments.tsx";
import { whole } from "./addresses.ts";
import { type Inbound, setInbound } from "./InboundForm.tsx";
import { CodeBlock } from "./Lines.tsx";
import { asEvents, SENDERS, senderLines, type Verify } from "./senders.ts";

const BECOMES = { snapshot: "Snapshots", event: "Events" } as const;

interface AddressProps {
  project: string;
  webhook: Inbound;
  url: string;
  /** What is saved when the sender has shown its secret. */
  later: Schemas["SetInboundWebhook"] | null;
  done: () => void;
  close: () => void;
}

/** The secret address, this once, and how it gets to the sender. */
export function InboundAddress({ project, webhook, url, later, done, close }: AddressProps) {
  const [becomes, setBecomes] = useState<keyof typeof BECOMES>("snapshot");
  const verify = { ...webhook.verify, ...later?.verify } as Verify;
  const sender = SENDERS[verify.scheme];
  const address = asEvents(whole(url), becomes === "event");
  const lines = senderLines(verify, address);
  return (
    <Dialog
      title={`The address for ${webhook.endpoint}`}
      lead="It is secret and shown this once: whoever has it may send."
      close={close}
    >
      <Segments label="What deliveries become" options={BECOMES} value={becomes} choose={setBecomes} />
      <div class="secret">
        <code>{address}</code>
        <Copy text={address} what="address" />
      </div>
      <p class="quiet">{sender.where}</p>
      {lines === null ? null : <CodeBlock title="Or in a shell" text={lines} />}
      {later ? (
        <LaterSecret project={project} webhook={webhook} later={later} hint={sender.secret ?? ""} done={done} />
      ) : null}
      <div class="acts">
        <button class={later ? "btn" : "btn primary"} type="button" onClick={close}>
          {later ? "Enter it another time" : "Done"}
        </button>
      </div>
    </Dialog>
  );
}

interface LaterProps extends Pick<AddressProps, "project" | "webhook" | "done"> {
  later: Schemas["SetInboundWebhook"];
  hint: string;
}

function LaterSecret({ project, webhook, later, hint, done }: LaterProps) {
  const send = async (data: FormData) => {
    const verify = { ...later.verify, secret: text(data, "verify.secret").trim() };
    await setInbound(project, webhook.endpoint, { ...later, verify });
    done();
  };
  return (
    <Form send={send} tried="Saving the secret">
      {(form) => (
        <>
          <Field
            form={form}
            label="Its secret"
            name="verify.secret"
            required
            autocomplete="off"
            spellcheck={false}
            hint={hint}
          />
          <div class="acts">
            <Submit form={form}>Save the secret and take deliveries</Submit>
          </div>
        </>
      )}
    </Form>
  );
}
