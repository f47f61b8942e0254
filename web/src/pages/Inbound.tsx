import { useState } from "preact/hooks";
import { get, post, remove, type Schemas } from "../api.ts";
import { ConnectHead } from "../connect/Head.tsx";
import { InboundAddress } from "../connect/InboundAddress.tsx";
import { type Inbound as Hook, type InboundAnswer, InboundForm } from "../connect/InboundForm.tsx";
import { Renew } from "../connect/Renew.tsx";
import { SENDERS } from "../connect/senders.ts";
import { count } from "../numbers.ts";
import { Ago } from "../parts/Ago.tsx";
import { Destroy } from "../parts/Destroy.tsx";
import type { PageProps } from "../routes.ts";
import { Part } from "../settings/Frame.tsx";
import { Table } from "../settings/Table.tsx";
import { at, href } from "../state/location.ts";
import { may } from "../state/may.ts";
import { usePages } from "../state/pages.ts";
import { toast } from "../state/toasts.ts";
import "../connect/connect.css";

type Later = Schemas["SetInboundWebhook"] | null;
type Open =
  | { what: "new" }
  | { what: "change" | "renew" | "delete"; webhook: Hook }
  | { what: "made"; webhook: Hook; url: string; later: Later }
  | null;

const COLUMNS = [
  { title: "Endpoint" },
  { title: "Sender" },
  { title: "Received" },
  { title: "Refused" },
  { title: "Actions", hidden: true },
];

/** Addresses that other services deliver their webhooks to. */
export default function Inbound({ params }: PageProps) {
  const project = params.project as string;
  return (
    <main id="main" class="wrap settings">
      <ConnectHead project={project} />
      {may("endpoints:admin") ? (
        <Hooks project={project} />
      ) : (
        <p class="quiet">An admin of the project gives other services an address to send to.</p>
      )}
    </main>
  );
}

function Hooks({ project }: { project: string }) {
  const [open, setOpen] = useState<Open>(null);
  const pages = usePages<Hook>(
    (cursor, signal) => get("/v1/inbound-webhooks", { in: project, query: { cursor }, signal }),
    [project],
  );
  const add = (
    <button class="btn primary" type="button" onClick={() => setOpen({ what: "new" })}>
      New address
    </button>
  );
  return (
    <>
      <Part
        title="From other services"
        lead="Their webhooks become an endpoint’s snapshots, or events. How many came is counted since the server started."
        acts={pages.data && pages.data.length > 0 ? add : null}
      >
        <Table
          name="Inbound webhooks"
          pages={pages}
          columns={COLUMNS}
          keyOf={(webhook) => webhook.endpoint_id}
          textOf={(webhook) => `${webhook.endpoint} ${SENDERS[webhook.verify.scheme].name}`}
          row={(webhook) => <Row project={project} webhook={webhook} open={setOpen} />}
          empty={
            <>
              <p>
                No other service sends here yet. Make an address, and paste it where GitHub, Stripe or another asks for
                one.
              </p>
              {add}
            </>
          }
        />
      </Part>
      <Dialogs project={project} open={open} setOpen={setOpen} again={pages.again} />
    </>
  );
}

function Row({ project, webhook, open }: { project: string; webhook: Hook; open: (what: Open) => void }) {
  const { verify, last_received_at: received, last_refused_at: refused } = webhook;
  return (
    <>
      <th scope="row" class={webhook.enabled ? undefined : "off"}>
        <a href={href(at("p", project, "e", webhook.endpoint))}>
          <b>{webhook.endpoint}</b>
        </a>
        {webhook.enabled ? null : <small>off: deliveries are answered 404</small>}
        {webhook.old_token_until ? (
          <small>
            the old address ends <Ago at={webhook.old_token_until} />
          </small>
        ) : null}
      </th>
      <td data-name="Sender">
        {SENDERS[verify.scheme].name}
        {webhook.transform ? (
          <small>
            keeps <code>{webhook.transform}</code>
          </small>
        ) : null}
      </td>
      <td data-name="Received">
        {received ? <Ago at={received} /> : <span class="quiet">nothing yet</span>}
        {received ? <small>{count(webhook.received)} in all</small> : null}
      </td>
      <td data-name={refused ? "Refused" : undefined}>
        {refused ? (
          <>
            <Ago at={refused} />
            <small>
              {count(webhook.refused)} in all: {webhook.last_refusal}
            </small>
          </>
        ) : null}
      </td>
      <td class="row-acts">
        {(["change", "renew", "delete"] as const).map((what) => (
          <button key={what} class="btn" type="button" onClick={() => open({ what, webhook })}>
            {{ change: "Change", renew: "New address", delete: "Delete" }[what]}
          </button>
        ))}
      </td>
    </>
  );
}

interface DialogsProps {
  project: string;
  open: Open;
  setOpen: (what: Open) => void;
  again: () => void;
}

function Dialogs({ project, open, setOpen, again }: DialogsProps) {
  const close = () => setOpen(null);
  const done = ({ webhook, url }: InboundAnswer, later: Later = null) => {
    again();
    setOpen(url === undefined ? null : { what: "made", webhook, url, later });
    if (url === undefined) toast("Saved");
  };
  if (open === null) return null;
  if (open.what === "new") return <InboundForm project={project} webhook={null} done={done} close={close} />;
  const { webhook } = open;
  const path = { endpoint: webhook.endpoint };
  if (open.what === "made") {
    const taken = () => {
      again();
      close();
      toast(`Deliveries for ${webhook.endpoint} are taken`);
    };
    return <InboundAddress {...open} project={project} done={taken} close={close} />;
  }
  if (open.what === "change") return <InboundForm project={project} webhook={webhook} done={done} close={close} />;
  if (open.what === "renew") {
    const renew = async (overlap: string) =>
      done(await post("/v1/endpoints/{endpoint}/inbound-webhook/rotate", { in: project, path, body: { overlap } }));
    const title = `A new address for ${webhook.endpoint}`;
    return <Renew title={title} lead="The sender needs the new address." renew={renew} close={close} />;
  }
  const run = async () => {
    await remove("/v1/endpoints/{endpoint}/inbound-webhook", { in: project, path });
    again();
    close();
  };
  return (
    <Destroy
      title={`Delete the address for ${webhook.endpoint}`}
      lead="What is sent there is refused from now on; what it brought stays. This cannot be undone."
      label="Type the endpoint’s name"
      name={webhook.endpoint}
      action="Delete"
      run={run}
      close={close}
    />
  );
}
