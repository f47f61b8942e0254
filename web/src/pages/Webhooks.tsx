import "../style/lists.css";
import "../style/panel.css";
import "../settings/settings.css";
import { useEffect, useState } from "preact/hooks";
import { get, patch, post } from "../api.ts";
import { ConnectHead } from "../connect/Head.tsx";
import { ShownOnce } from "../keys/ShownOnce.tsx";
import { counted } from "../numbers.ts";
import { Failure } from "../parts/Failure.tsx";
import { Icon } from "../parts/Icon.tsx";
import { Loading } from "../parts/Loading.tsx";
import type { PageProps } from "../routes.ts";
import { useLoad } from "../state/load.ts";
import { query, setQuery } from "../state/location.ts";
import { may } from "../state/may.ts";
import { usePages } from "../state/pages.ts";
import { toast } from "../state/toasts.ts";
import { Deliveries, STATES, shownOf } from "../webhooks/Deliveries.tsx";
import { DeliveryPanel } from "../webhooks/DeliveryPanel.tsx";
import { DeliveryTimeline } from "../webhooks/DeliveryTimeline.tsx";
import { DeleteWebhook, Recover, RotateSecret } from "../webhooks/dialogs.tsx";
import { Side } from "../webhooks/Side.tsx";
import { WebhookForm } from "../webhooks/WebhookForm.tsx";
import type { Delivery, DeliveryDetail, Webhook } from "../webhooks/words.ts";
import "../connect/trio.css";
import "../webhooks/webhooks.css";

type Open =
  | { what: "new" }
  | { what: "change" | "rotate" | "recover" | "delete"; webhook: Webhook }
  | { what: "made"; secret: string }
  | null;

/** While something is under way the page looks again so often. */
const AGAIN_MS = 4000;

/** Did it arrive, and if not, what is next: webhooks, their deliveries, and one of those with its attempts. */
export default function Webhooks({ params }: PageProps) {
  const project = params.project as string;
  const [open, setOpen] = useState<Open>(null);
  const [turn, setTurn] = useState(0);
  const asked = query.value;
  const [hook, opened] = [asked.get("hook"), asked.get("d")];
  const webhooks = useLoad(
    (signal) => get("/v1/webhooks", { in: project, query: { include: "summary", spark: 42 }, signal }),
    [project, turn],
  );
  const pages = usePages<Delivery>(
    (cursor, signal) =>
      get("/v1/webhooks/deliveries", { in: project, query: { ...deliveryQuery(asked, cursor) }, signal }),
    [project, ...["hook", "state", "type", "q", "at"].map((name) => asked.get(name))],
  );
  const again = () => [setTurn((was) => was + 1), pages.again()];
  const isMoving = pages.data?.some(({ state }) => state === "waiting" || state === "failed") ?? false;
  const isBusy = pages.busy || webhooks.busy;
  useEffect(() => {
    if (isBusy) return; // what is on its way is not asked for again
    const look = () => document.visibilityState === "visible" && again();
    const timer = setInterval(look, isMoving ? AGAIN_MS : 10 * AGAIN_MS);
    return () => clearInterval(timer);
  }, [isMoving, isBusy]);
  const all = webhooks.data?.data ?? [];
  const chosen = all.find(({ id }) => id === hook) ?? null;
  const names = new Map(all.map(({ id, name }) => [id, name]));
  const acts = useActs(project, again);
  const close = () => setOpen(null);
  const saved = (secret: string | null) => {
    again();
    setOpen(secret === null ? null : { what: "made", secret });
  };
  const canChange = may("webhooks:admin");
  return (
    <main id="main" class="panel-page wrap app trio-page webhooks-page">
      <ConnectHead project={project}>
        {chosen ? <Acts webhook={chosen} open={setOpen} test={acts.test} pause={acts.enable} /> : null}
        {canChange && all.length > 0 ? <New open={setOpen} /> : null}
      </ConnectHead>
      {webhooks.error ? <Failure tried="Loading the webhooks" error={webhooks.error} retry={webhooks.again} /> : null}
      {!webhooks.data && !webhooks.error ? <Loading /> : null}
      {webhooks.data && all.length === 0 ? <None canChange={canChange} open={setOpen} /> : null}
      {all.length > 0 ? <DeliveryTimeline project={project} hook={hook} turn={turn} /> : null}
      {all.length > 0 ? (
        <div class={opened ? "trio" : "trio two"}>
          <section class="step" aria-label="Webhooks">
            <div class="bar">
              <h2>Webhooks</h2>
            </div>
            <Side
              webhooks={all}
              chosen={chosen}
              act={(what, webhook) => (what === "enable" ? acts.enable(webhook, true) : setOpen({ what, webhook }))}
            />
          </section>
          <Deliveries pages={pages} names={names} open={opened} />
          {opened ? (
            <DeliveryPanel
              project={project}
              id={opened}
              turn={turn}
              name={(id) => names.get(id) ?? "a deleted webhook"}
              redeliver={acts.redeliver}
            />
          ) : null}
        </div>
      ) : null}
      <Dialogs project={project} open={open} close={close} saved={saved} again={again} />
    </main>
  );
}

function deliveryQuery(asked: URLSearchParams, cursor: string | undefined) {
  const [webhook, type, q] = ["hook", "type", "q"].map((name) => asked.get(name) || undefined);
  const around = cursor === undefined ? (asked.get("at") ?? undefined) : undefined;
  return { webhook, type, q, around, cursor, state: STATES[shownOf(asked.get("state"))], limit: 50 };
}

function useActs(project: string, again: () => void) {
  const run = async (act: () => Promise<unknown>, said: string) => {
    try {
      await act();
      toast(said);
    } catch (error) {
      toast(String(error instanceof Error ? error.message : error));
    }
    again();
  };
  return {
    test: (webhook: Webhook) =>
      run(async () => {
        const sent = { in: project, path: { webhook_id: webhook.id }, body: {} };
        const { delivery } = await post("/v1/webhooks/{webhook_id}/test", sent);
        setQuery({ d: delivery.id });
      }, `A test is on its way to ${webhook.name}`),
    enable: (webhook: Webhook, enabled: boolean) =>
      run(
        () => patch("/v1/webhooks/{webhook_id}", { in: project, path: { webhook_id: webhook.id }, body: { enabled } }),
        `${webhook.name} is ${enabled ? "on" : "off"}`,
      ),
    redeliver: (delivery: DeliveryDetail) =>
      run(
        () =>
          post("/v1/webhooks/deliveries/{delivery_id}/redeliver", { in: project, path: { delivery_id: delivery.id } }),
        "It is sent again",
      ),
  };
}

interface ActsProps {
  webhook: Webhook;
  open: (what: Open) => void;
  test: (webhook: Webhook) => void;
  pause: (webhook: Webhook, enabled: boolean) => void;
}

function Acts({ webhook, open, test, pause }: ActsProps) {
  const canChange = may("webhooks:admin");
  return (
    <>
      {may("webhooks:write") ? (
        <button class="btn" type="button" onClick={() => test(webhook)}>
          <Icon name="go" />
          Send a test
        </button>
      ) : null}
      {canChange ? (
        <>
          <button class="btn" type="button" onClick={() => open({ what: "change", webhook })}>
            Change
          </button>
          <button class="btn" type="button" onClick={() => open({ what: "rotate", webhook })}>
            Rotate secret
          </button>
          <button class="btn" type="button" onClick={() => pause(webhook, !webhook.enabled)}>
            {webhook.enabled ? "Turn off" : "Turn on"}
          </button>
          <button class="btn" type="button" onClick={() => open({ what: "delete", webhook })}>
            Delete
          </button>
        </>
      ) : null}
    </>
  );
}

function New({ open }: { open: (what: Open) => void }) {
  return (
    <button class="btn primary" type="button" onClick={() => open({ what: "new" })}>
      New webhook
    </button>
  );
}

function None({ canChange, open }: { canChange: boolean; open: (what: Open) => void }) {
  return (
    <div class="none">
      <p>
        No webhook yet. One tells your programs when something changes: it is sent to an address of yours, signed, and
        again until it has arrived.
      </p>
      {canChange ? <New open={open} /> : null}
    </div>
  );
}

interface DialogsProps {
  project: string;
  open: Open;
  close: () => void;
  saved: (secret: string | null) => void;
  again: () => void;
}

function Dialogs({ project, open, close, saved, again }: DialogsProps) {
  if (open === null) return null;
  if (open.what === "new") return <WebhookForm project={project} webhook={null} done={saved} close={close} />;
  if (open.what === "made") {
    const lead = "Your receiver verifies what it is sent with it. Copy it now: it is shown this once.";
    return <ShownOnce title="The secret" lead={lead} secret={open.secret} what="secret" close={close} />;
  }
  const { webhook } = open;
  const own = { project, webhook, close };
  if (open.what === "change") return <WebhookForm {...own} done={saved} />;
  if (open.what === "rotate") return <RotateSecret {...own} made={saved} />;
  if (open.what === "delete") {
    const done = () => {
      setQuery({ hook: null, d: null });
      saved(null);
    };
    return <DeleteWebhook {...own} done={done} />;
  }
  const sent = (count: number) => {
    toast(`${counted(count, "delivery is", "deliveries are")} sent again`);
    again();
    close();
  };
  return <Recover {...own} done={sent} />;
}
