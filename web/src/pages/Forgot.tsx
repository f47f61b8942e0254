import { useState } from "preact/hooks";
import { post, type Schemas } from "../api.ts";
import { Email } from "../parts/Credentials.tsx";
import { Form, Submit, text } from "../parts/Form.tsx";
import { Gate } from "../parts/Gate.tsx";
import { href } from "../state/location.ts";

const RESET_BY_COMMAND = (
  <>
    Ask whoever runs it for a link to set another password: <code>delta-server user reset-link</code> prints one.
  </>
);

export default function Forgot() {
  const [sent, setSent] = useState<Schemas["ForgottenAnswer"] | null>(null);
  const send = async (data: FormData) => {
    setSent(await post("/v1/auth/forgot-password", { open: true, body: { email: text(data, "email") } }));
  };
  if (sent) {
    return (
      <Gate
        title={sent.mailed ? "Look into your mail" : "This server sends no mail"}
        lead={
          sent.mailed
            ? "If the address has an account here, a link to set another password is on its way. It is good for an hour."
            : RESET_BY_COMMAND
        }
      >
        <a class="btn" href={href("/signin")}>
          Back to the sign-in
        </a>
      </Gate>
    );
  }
  return (
    <Gate
      title="Forgot the password?"
      lead="A link to set another one is mailed to you, where this server sends mails."
    >
      <Form send={send} tried="Asking for a link">
        {(form) => (
          <>
            <Email form={form} />
            <div class="bar">
              <Submit form={form}>Send a link</Submit>
              <span class="grow" />
              <a href={href("/signin")}>Back to the sign-in</a>
            </div>
          </>
        )}
      </Form>
    </Gate>
  );
}
