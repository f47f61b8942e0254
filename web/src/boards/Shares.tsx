import { useState } from "preact/hooks";
import { counted } from "../numbers.ts";
import { Copy } from "../parts/Copy.tsx";
import { Dialog } from "../parts/Dialog.tsx";
import { Failure } from "../parts/Failure.tsx";
import { Choice, Field, Form, Submit, text } from "../parts/Form.tsx";
import { Loading } from "../parts/Loading.tsx";
import { useLoad } from "../state/load.ts";
import { zone } from "../state/zone.ts";
import { moment } from "../time/clock.ts";
import { approve, listShares, revoke, type Share, share } from "./requests.ts";

const LIVES = [
  ["", "until it is revoked"],
  ["1d", "for a day"],
  ["7d", "for a week"],
  ["30d", "for 30 days"],
  ["365d", "for a year"],
] as const;

interface SharesProps {
  project: string;
  board: string;
  /** What the board asked when it was drawn: that is what is approved. */
  digest: string;
  close: () => void;
}

/** The links by which a board is read without signing in. */
export function Shares({ project, board, digest, close }: SharesProps) {
  const shares = useLoad((signal) => listShares(project, board, signal), [project, board]);
  const [made, setMade] = useState<string | null>(null);
  const send = async (data: FormData) => {
    const [password, lives] = [text(data, "password"), text(data, "expires_in")];
    const sites = text(data, "frame_ancestors").split(/\s+/).filter(Boolean);
    const { url } = await share(project, board, {
      frame_ancestors: sites,
      digest,
      ...(password ? { password } : {}),
      ...(lives ? { expires_in: lives } : {}),
    });
    setMade(url === null ? null : new URL(url.replace(/^\//, ""), document.baseURI).href);
    shares.again();
  };
  return (
    <Dialog title="Share by a link" close={close}>
      {made ? (
        <div class="said">
          <p>Whoever has this address reads the board. It is shown this once.</p>
          <p>
            <code class="address">{made}</code>
          </p>
          <Copy text={made} what="address" />
        </div>
      ) : null}
      {shares.error ? <Failure tried="Listing links" error={shares.error} retry={shares.again} /> : null}
      {!shares.data && !shares.error ? <Loading /> : null}
      <ul class="shares">
        {shares.data?.map((one) => (
          <Item key={one.id} project={project} board={board} digest={digest} share={one} again={shares.again} />
        ))}
      </ul>
      <Form send={send} tried="Making a link">
        {(form) => (
          <>
            <Choice label="It works" name="expires_in" options={LIVES} />
            <Field
              form={form}
              label="Password"
              name="password"
              type="password"
              autocomplete="new-password"
              minLength={10}
              maxLength={256}
              hint="Leave it empty for none"
            />
            <Field
              form={form}
              label="Sites that may embed it"
              name="frame_ancestors"
              autocomplete="off"
              maxLength={2000}
              hint="Such as https://intranet.example.com, with spaces between; none if empty"
            />
            <div class="acts">
              <button class="btn" type="button" onClick={close}>
                Close
              </button>
              <Submit form={form}>Make a link</Submit>
            </div>
          </>
        )}
      </Form>
    </Dialog>
  );
}

interface ItemProps {
  project: string;
  board: string;
  digest: string;
  share: Share;
  again: () => void;
}

function Item({ project, board, digest, share: one, again }: ItemProps) {
  const [error, setError] = useState<unknown>(null);
  const act = (run: () => Promise<unknown>) => void run().then(again, setError);
  const made = moment(Date.parse(one.created_at), zone.value);
  return (
    <li>
      <div class="bar">
        <span>
          Made {made}
          {one.has_password ? ", with a password" : ""}
          {one.expires_at ? `, until ${moment(Date.parse(one.expires_at), zone.value)}` : ""}
          {one.frame_ancestors.length > 0 ? `, embedded by ${one.frame_ancestors.join(", ")}` : ""}
        </span>
        {one.outdated_tiles > 0 ? (
          <button class="btn" type="button" onClick={() => act(() => approve(project, board, one.id, digest))}>
            Show {counted(one.outdated_tiles, "changed tile")}
          </button>
        ) : null}
        <button
          class="btn danger"
          type="button"
          aria-label={`Revoke the link made ${made}`}
          onClick={() => act(() => revoke(project, board, one.id))}
        >
          Revoke
        </button>
      </div>
      {error ? <Failure tried="Changing the link" error={error} /> : null}
    </li>
  );
}
