import { useState } from "preact/hooks";
import { get, post, type Schemas } from "../api.ts";
import { useLoad } from "../state/load.ts";
import { address, href } from "../state/location.ts";
import { begin, tellTabs } from "../state/session.ts";
import { Email, OwnPassword } from "./Credentials.tsx";
import { Field, Form, Submit, text } from "./Form.tsx";

/** Everything by which somebody signs in: password, second factor or recovery code, single sign-on, a proxy's word. */
export function Login({ email, done }: { email?: string | undefined; done: () => void }) {
  const [wanted, setWanted] = useState<Schemas["CodeWanted"] | null>(null);
  const finish = (tokens: Schemas["Tokens"]) => {
    begin(tokens);
    tellTabs();
    done();
  };
  if (wanted) return <SecondFactor wanted={wanted} finish={finish} back={() => setWanted(null)} />;
  return <Password email={email} finish={finish} want={setWanted} />;
}

interface Steps {
  finish: (tokens: Schemas["Tokens"]) => void;
}

function Password({
  email,
  finish,
  want,
}: Steps & { email?: string | undefined; want: (wanted: Schemas["CodeWanted"]) => void }) {
  const send = async (data: FormData) => {
    const body = { email: text(data, "email"), password: text(data, "password"), cookie: true };
    const answer = await post("/v1/auth/login", { open: true, body });
    if ("mfa_token" in answer) want(answer);
    else finish(answer);
  };
  return (
    <>
      <Others finish={finish} />
      <Form send={send} tried="Signing in">
        {(form) => (
          <>
            <Email form={form} value={email} autofocus={!email} />
            <OwnPassword form={form} autofocus={Boolean(email)} />
            <div class="bar">
              <Submit form={form}>Sign in</Submit>
              <span class="grow" />
              <a class="quiet" href={href("/forgot")}>
                Forgot the password?
              </a>
            </div>
          </>
        )}
      </Form>
    </>
  );
}

/** Single sign-on and the like, as far as this server has them. */
function Others({ finish }: Steps) {
  const { data } = useLoad((signal) => get("/v1/auth/methods", { open: true, signal }), []);
  const next = address.value.path === "/signin" ? "/" : address.value.path + address.value.search;
  if (!data || (!data.oidc && !data.header)) return null;
  const byHeader = async () => {
    finish(await post("/v1/auth/login/header", { open: true, body: { cookie: true } }));
  };
  return (
    <div class="others">
      {data.oidc ? (
        <a
          class="btn"
          href={`${new URL(href("/v1/auth/oidc/login"), location.href)}?next=${encodeURIComponent(nextOf(next))}`}
        >
          Sign in with {data.oidc.name}
        </a>
      ) : null}
      {data.header ? (
        <Form send={byHeader} tried="Signing in">
          {(form) => <Submit form={form}>Sign in as your proxy says</Submit>}
        </Form>
      ) : null}
      <p class="or">or with a password</p>
    </div>
  );
}

/** Where a page's `next` leads, never off this server. */
export function nextOf(fallback = "/"): string {
  const asked = new URLSearchParams(address.value.search).get("next");
  return asked?.startsWith("/") && !asked.startsWith("//") && !asked.includes("\\") ? asked : fallback;
}

function SecondFactor({ wanted, finish, back }: Steps & { wanted: Schemas["CodeWanted"]; back: () => void }) {
  const [recovery, setRecovery] = useState(false);
  const send = async (data: FormData) => {
    const code = text(data, "code").replace(/\s/g, "");
    finish(
      await post("/v1/auth/login/totp", { open: true, body: { mfa_token: wanted.mfa_token, code, cookie: true } }),
    );
  };
  return (
    <Form send={send} tried="Signing in">
      {(form) => (
        <>
          <Field
            key={recovery ? "recovery" : "code"}
            form={form}
            label={recovery ? "Recovery code" : "Code"}
            hint={recovery ? "One of the ten you kept; each is good once." : "Six digits, from your authenticator app."}
            name="code"
            inputMode={recovery ? "text" : "numeric"}
            autocomplete="one-time-code"
            required
            autofocus
          />
          <div class="bar">
            <Submit form={form}>Sign in</Submit>
            <button class="btn ghost" type="button" onClick={() => setRecovery(!recovery)}>
              {recovery ? "Use a code of the app" : "Use a recovery code"}
            </button>
            <span class="grow" />
            <button class="btn ghost" type="button" onClick={back}>
              Back
            </button>
          </div>
        </>
      )}
    </Form>
  );
}
