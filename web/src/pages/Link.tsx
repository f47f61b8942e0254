import { useState } from "preact/hooks";
import { post } from "../api.ts";
import { NewPassword, OwnPassword } from "../parts/Credentials.tsx";
import { Field, Form, Submit, text } from "../parts/Form.tsx";
import { Gate } from "../parts/Gate.tsx";
import type { PageProps } from "../routes.ts";
import { address, at, go, href } from "../state/location.ts";
import { session } from "../state/session.ts";

type Kind = "invitation" | "confirm" | "reset";

/** Where links out of mails lead: `/link#KIND=TOKEN`, of which browsers send what is behind `#` to nobody. */
export default function Link({ params }: PageProps) {
  const [asked] = useState(() => readLink(params));
  const [done, setDone] = useState("");
  if (!asked) {
    return (
      <Gate title="This link is not complete" lead="Copy the whole of it from the mail, up to its last character.">
        <a class="btn" href={href("/")}>
          To the sign-in
        </a>
      </Gate>
    );
  }
  if (done) {
    return (
      <Gate title={done} lead="You can sign in now.">
        <a class="btn primary" href={href("/signin")}>
          Sign in
        </a>
      </Gate>
    );
  }
  const forms = { invitation: Invitation, confirm: Confirm, reset: Reset };
  const Shown = forms[asked.kind];
  return <Shown token={asked.token} done={setDone} />;
}

/** The kind and token of the address, which then loses them: they stay in no history. */
function readLink(params: PageProps["params"]): { kind: Kind; token: string } | null {
  const { hash, path } = address.peek();
  if (params.token) return { kind: path.startsWith("/invite/") ? "invitation" : "reset", token: params.token };
  const found = /^#(invitation|confirm|reset)=(\w+)$/.exec(hash);
  if (!found?.[1] || !found[2]) return null;
  go("/link", { replace: true });
  return { kind: found[1] as Kind, token: found[2] };
}

interface Step {
  token: string;
  done: (said: string) => void;
}

function Invitation({ token, done }: Step) {
  if (session.value === "in") return <Joining token={token} />;
  const send = async (data: FormData) => {
    const body = { token, password: text(data, "password"), name: text(data, "name").trim() };
    await post("/v1/invitations/accept", { open: true, body });
    done("Welcome");
  };
  return (
    <Gate
      title="You are invited"
      lead="Choose a password of ten characters or more, or give yours if you have an account here."
    >
      <Form send={send} tried="Accepting">
        {(form) => (
          <>
            <Field form={form} label="Your name" name="name" autocomplete="name" maxLength={200} autofocus />
            <NewPassword form={form} />
            <Submit form={form}>Accept the invitation</Submit>
          </>
        )}
      </Form>
    </Gate>
  );
}

/** Who is signed in needs no password to accept. */
function Joining({ token }: { token: string }) {
  const send = async () => {
    const accepted = await post("/v1/invitations/accept", { body: { token } });
    go(accepted.project === null ? "/" : at("p", accepted.project), { replace: true });
  };
  return (
    <Gate title="You are invited" lead="Accept it as who you are signed in as.">
      <Form send={send} tried="Accepting">
        {(form) => <Submit form={form}>Accept the invitation</Submit>}
      </Form>
    </Gate>
  );
}

function Confirm({ token, done }: Step) {
  const send = async (data: FormData) => {
    await post("/v1/auth/confirm-email", { open: true, body: { token, password: text(data, "password") } });
    done("Your address is confirmed");
  };
  return (
    <Gate title="Confirm your address" lead="Give the password that you chose.">
      <Form send={send} tried="Confirming">
        {(form) => (
          <>
            <OwnPassword form={form} autofocus />
            <Submit form={form}>Confirm</Submit>
          </>
        )}
      </Form>
    </Gate>
  );
}

function Reset({ token, done }: Step) {
  const send = async (data: FormData) => {
    await post("/v1/auth/reset-password", { open: true, body: { token, new_password: text(data, "new_password") } });
    done("Your password is set");
  };
  return (
    <Gate title="Choose a new password" lead="It ends all your sessions, wherever they are.">
      <Form send={send} tried="Setting the password">
        {(form) => (
          <>
            <NewPassword form={form} name="new_password" label="New password" autofocus />
            <Submit form={form}>Set the password</Submit>
          </>
        )}
      </Form>
    </Gate>
  );
}
