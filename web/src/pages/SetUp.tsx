import { useState } from "preact/hooks";
import { get, post } from "../api.ts";
import { NewAccount } from "../parts/Credentials.tsx";
import { Failure } from "../parts/Failure.tsx";
import { Field, Form, Submit, text } from "../parts/Form.tsx";
import { Gate } from "../parts/Gate.tsx";
import { Loading } from "../parts/Loading.tsx";
import { useLoad } from "../state/load.ts";
import { address, go, href } from "../state/location.ts";
import { begin, tellTabs } from "../state/session.ts";

/** The demo's link, `#demo=TOKEN`, makes its owner and signs in without a question. */
const DEMO = /^#demo=(\w+)$/;

/** Makes the first owner. The token is behind `#` of the address that the server printed: browsers send that nowhere. */
export default function SetUp() {
  const [demo] = useState(() => DEMO.exec(address.peek().hash)?.[1]);
  const needed = useLoad((signal) => get("/v1/setup", { open: true, signal }), []);
  const token = /^#(?:token=)?([\w-]+)$/.exec(address.value.hash)?.[1] ?? "";
  const send = async (data: FormData) => {
    const [email, password, name] = [text(data, "email"), text(data, "password"), text(data, "name").trim()];
    const body = { token: text(data, "token").trim() || token, email, password, name, cookie: true };
    begin(await post("/v1/setup", { open: true, body }));
    tellTabs();
    go("/", { replace: true });
  };
  if (needed.error) {
    return (
      <Gate title="Welcome to Delta">
        <Failure tried="Asking the server" error={needed.error} retry={needed.again} />
      </Gate>
    );
  }
  if (!needed.data) return <Loading />;
  if (!needed.data.needed) {
    return (
      <Gate title="Delta is set up" lead="Its first owner is there already.">
        <a class="btn primary" href={href("/signin")}>
          Sign in
        </a>
      </Gate>
    );
  }
  if (demo !== undefined) return <Demo token={demo} />;
  return (
    <Gate title="Welcome to Delta" lead="Make the account of the owner: who may do everything, and invites the others.">
      <Form send={send} tried="Making the account">
        {(form) => (
          <>
            {token ? null : (
              <Field
                form={form}
                label="Setup token"
                name="token"
                required
                autofocus
                autocomplete="off"
                spellcheck={false}
                hint="The server printed it when it started; delta-server setup-link prints another."
              />
            )}
            <NewAccount form={form} autofocus={token !== ""} />
            <Submit form={form}>Make the account</Submit>
          </>
        )}
      </Form>
    </Gate>
  );
}

/** Nobody chooses a password for what is gone when the demo stops: it is random, and the session is all there is. */
function Demo({ token }: { token: string }) {
  const made = useLoad(async () => {
    const password = crypto.getRandomValues(new Uint32Array(6)).join("-");
    const body = { token, email: "you@example.com", name: "You", password, cookie: true };
    begin(await post("/v1/setup", { open: true, body }));
    go("/", { replace: true });
  }, [token]);
  if (!made.error) return <Loading />;
  return (
    <Gate title="This link does not open the demo">
      <Failure tried="Signing in" error={made.error} />
    </Gate>
  );
}
