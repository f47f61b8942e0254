import { useState } from "preact/hooks";
import { get, post, remove, type Schemas } from "../api.ts";
import { whole } from "../connect/addresses.ts";
import { ConnectHead } from "../connect/Head.tsx";
import { Renew } from "../connect/Renew.tsx";
import { Ago } from "../parts/Ago.tsx";
import { Copy } from "../parts/Copy.tsx";
import { Destroy } from "../parts/Destroy.tsx";
import { Dialog } from "../parts/Dialog.tsx";
import { EndpointField } from "../parts/EndpointField.tsx";
import { Form, SubmitOrCancel, text } from "../parts/Form.tsx";
import type { PageProps } from "../routes.ts";
import { Part } from "../settings/Frame.tsx";
import { Table } from "../settings/Table.tsx";
import { at, href } from "../state/location.ts";
import { may } from "../state/may.ts";
import { usePages } from "../state/pages.ts";
import "../connect/connect.css";

type Feed = Schemas["Feed"];
type Open =
  | { what: "new" }
  | { what: "renew" | "delete"; feed: Feed }
  | { what: "made"; answer: Schemas["FeedAnswer"] }
  | null;

const COLUMNS = [
  { title: "Changes of" },
  { title: "Made" },
  { title: "Old address" },
  { title: "Actions", hidden: true },
];

/** Feeds of what changes, for people who read: made here, their secret addresses shown once. */
export default function Feeds({ params }: PageProps) {
  const project = params.project as string;
  const [open, setOpen] = useState<Open>(null);
  const pages = usePages<Feed>(
    (cursor, signal) => get("/v1/feeds", { in: project, query: { cursor }, signal }),
    [project],
  );
  const canChange = may("endpoints:admin");
  const add = canChange ? (
    <button class="btn primary" type="button" onClick={() => setOpen({ what: "new" })}>
      New feed
    </button>
  ) : null;
  return (
    <main id="main" class="wrap settings">
      <ConnectHead project={project} />
      <Part
        title="Feeds"
        lead="What changed, in any feed reader. Whoever has a feed’s address reads it and needs no key: give each reader one of their own."
        acts={pages.data && pages.data.length > 0 ? add : null}
      >
        <Table
          name="Feeds"
          pages={pages}
          columns={COLUMNS}
          keyOf={(feed) => feed.id}
          textOf={(feed) => feed.endpoint ?? ""}
          row={(feed) => <Row project={project} feed={feed} open={canChange ? setOpen : null} />}
          empty={
            <>
              <p>No feed yet. One tells a reader, in Atom or JSON Feed, what changes here.</p>
              {add ?? <p class="quiet">An admin of the project makes one.</p>}
            </>
          }
        />
      </Part>
      <Dialogs project={project} open={open} setOpen={setOpen} again={pages.again} />
    </main>
  );
}

function nameOf(feed: Feed): string {
  return feed.endpoint ?? (feed.endpoint_id === null ? "all endpoints" : "an endpoint in the bin");
}

function Row({ project, feed, open }: { project: string; feed: Feed; open: ((what: Open) => void) | null }) {
  return (
    <>
      <th scope="row" class={feed.endpoint_id !== null && feed.endpoint === null ? "off" : undefined}>
        {feed.endpoint === null ? (
          <b>{nameOf(feed)}</b>
        ) : (
          <a href={href(at("p", project, "e", feed.endpoint))}>
            <b>{feed.endpoint}</b>
          </a>
        )}
      </th>
      <td data-name="Made">
        <Ago at={feed.created_at} />
      </td>
      <td data-name={feed.old_token_until ? "Old address ends" : undefined}>
        {feed.old_token_until ? (
          <>
            ends <Ago at={feed.old_token_until} />
          </>
        ) : null}
      </td>
      <td class="row-acts">
        {open ? (
          <>
            <button class="btn" type="button" onClick={() => open({ what: "renew", feed })}>
              New address
            </button>
            <button class="btn" type="button" onClick={() => open({ what: "delete", feed })}>
              Delete
            </button>
          </>
        ) : null}
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
  const made = (answer: Schemas["FeedAnswer"]) => {
    again();
    setOpen({ what: "made", answer });
  };
  if (open === null) return null;
  if (open.what === "new") return <NewFeed project={project} made={made} close={close} />;
  if (open.what === "made") return <Addresses answer={open.answer} close={close} />;
  const { feed } = open;
  const path = { feed_id: feed.id };
  if (open.what === "renew") {
    const renew = async (overlap: string) =>
      made(await post("/v1/feeds/{feed_id}/rotate", { in: project, path, body: { overlap } }));
    const title = `A new address for the feed of ${nameOf(feed)}`;
    return <Renew title={title} lead="Readers need the new address." renew={renew} close={close} />;
  }
  const run = async () => {
    await remove("/v1/feeds/{feed_id}", { in: project, path });
    again();
    close();
  };
  return (
    <Destroy
      title={`Delete the feed of ${nameOf(feed)}`}
      lead="Its addresses are unknown from now on. This cannot be undone; what changed stays."
      label={feed.endpoint === null ? "Type the project’s name" : "Type the endpoint’s name"}
      name={feed.endpoint ?? project}
      action="Delete"
      run={run}
      close={close}
    />
  );
}

interface NewFeedProps {
  project: string;
  made: (answer: Schemas["FeedAnswer"]) => void;
  close: () => void;
}

function NewFeed({ project, made, close }: NewFeedProps) {
  const send = async (data: FormData) => {
    const name = text(data, "endpoint_id").trim();
    made(await post("/v1/feeds", { in: project, body: name ? { endpoint_id: name } : {} }));
  };
  return (
    <Dialog title="A new feed" lead="Of one endpoint, or of all of the project." close={close}>
      <Form send={send} tried="Making the feed">
        {(form) => (
          <>
            <EndpointField
              project={project}
              form={form}
              name="endpoint_id"
              hint="Left empty, it is of all endpoints."
            />
            <SubmitOrCancel form={form} close={close}>
              Make the feed
            </SubmitOrCancel>
          </>
        )}
      </Form>
    </Dialog>
  );
}

function Addresses({ answer, close }: { answer: Schemas["FeedAnswer"]; close: () => void }) {
  const kinds = [
    ["Atom", answer.atom],
    ["JSON Feed", answer.json],
  ] as const;
  return (
    <Dialog
      title={`The addresses of the feed of ${nameOf(answer.feed)}`}
      lead="They are secret and shown this once. Paste either into a feed reader."
      close={close}
    >
      {kinds.map(([kind, address]) =>
        address === null ? null : (
          <section key={kind} class="secret" aria-label={kind}>
            <code>{whole(address)}</code>
            <Copy text={whole(address)} what={`address of the ${kind}`} />
            <p class="quiet">{kind}</p>
          </section>
        ),
      )}
      <div class="acts">
        <button class="btn primary" type="button" onClick={close}>
          Done
        </button>
      </div>
    </Dialog>
  );
}
