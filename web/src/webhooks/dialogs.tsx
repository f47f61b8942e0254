import { useState } from "preact/hooks";
import { post, remove, type Schemas } from "../api.ts";
import { counted } from "../numbers.ts";
import { Destroy } from "../parts/Destroy.tsx";
import { Dialog } from "../parts/Dialog.tsx";
import { Choice, Form, SubmitOrCancel, text } from "../parts/Form.tsx";
import type { Webhook } from "./words.ts";

interface DialogProps {
  project: string;
  webhook: Webhook;
  close: () => void;
}

const AGES = { "1h": "The last hour", "24h": "The last day", "3d": "The last three days", "14d": "All that is kept" };

/** Sends again what has not arrived: it is counted first. */
export function Recover({ project, webhook, close, done }: DialogProps & { done: (count: number) => void }) {
  const [found, setFound] = useState<{ since: string; deliveries: number } | null>(null);
  const ask = (since: string, dry_run: boolean) =>
    post("/v1/webhooks/{webhook_id}/recover", {
      in: project,
      path: { webhook_id: webhook.id },
      body: { since, dry_run },
    });
  const send = async (data: FormData) => {
    const since = text(data, "since");
    if (found?.since !== since) {
      setFound({ since, deliveries: (await ask(since, true)).deliveries });
      return;
    }
    done((await ask(since, false)).deliveries);
  };
  return (
    <Dialog
      title={`Recover ${webhook.name}`}
      lead="What happened since then and has not arrived is sent again, in its order, with its ids."
      close={close}
    >
      <Form send={send} tried="Recovering">
        {(form) => (
          <>
            <Choice label="Since" name="since" options={Object.entries(AGES)} />
            {found ? (
              <p role="status">
                {found.deliveries === 0
                  ? "All of that has arrived."
                  : `${counted(found.deliveries, "delivery", "deliveries")} of ${AGES[found.since as keyof typeof AGES].toLowerCase()} would be sent.`}
              </p>
            ) : null}
            <SubmitOrCancel form={form} close={close}>
              {found && found.deliveries > 0 ? "Send them" : "Count them"}
            </SubmitOrCancel>
          </>
        )}
      </Form>
    </Dialog>
  );
}

const OVERLAPS = { "24h": "Another day", "1h": "Another hour", "7d": "Another week", "0s": "Not at all" };

export function RotateSecret({
  project,
  webhook,
  close,
  made,
}: DialogProps & { made: (secret: string | null) => void }) {
  const send = async (data: FormData) => {
    const body = { overlap: text(data, "overlap") } as Schemas["SecretRotation"];
    made(
      (await post("/v1/webhooks/{webhook_id}/rotate-secret", { in: project, path: { webhook_id: webhook.id }, body }))
        .secret,
    );
  };
  return (
    <Dialog
      title={`Rotate the secret of ${webhook.name}`}
      lead="Another secret takes its place; both sign until the old one ends."
      close={close}
    >
      <Form send={send} tried="Rotating the secret">
        {(form) => (
          <>
            <Choice label="The old secret signs too" name="overlap" options={Object.entries(OVERLAPS)} />
            <SubmitOrCancel form={form} close={close}>
              Rotate
            </SubmitOrCancel>
          </>
        )}
      </Form>
    </Dialog>
  );
}

export function DeleteWebhook({ project, webhook, close, done }: DialogProps & { done: () => void }) {
  const run = async () => {
    await remove("/v1/webhooks/{webhook_id}", { in: project, path: { webhook_id: webhook.id } });
    done();
  };
  return (
    <Destroy
      title={`Delete ${webhook.name}`}
      lead={`Nothing more is sent to ${webhook.host}; what waits and the record of its deliveries go too. This cannot be undone.`}
      label="Type its name"
      name={webhook.name}
      action="Delete"
      run={run}
      close={close}
    />
  );
}
