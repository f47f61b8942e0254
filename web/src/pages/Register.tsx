import { useState } from "preact/hooks";
import { post, type Schemas } from "../api.ts";
import { NewAccount } from "../parts/Credentials.tsx";
import { Form, Submit, text } from "../parts/Form.tsx";
import { Gate } from "../parts/Gate.tsx";
import { href } from "../state/location.ts";

export default function Register() {
  const [made, setMade] = useState<Schemas["Registered"] | null>(null);
  const send = async (data: FormData) => {
    const body = { email: text(data, "email"), password: text(data, "password"), name: text(data, "name").trim() };
    setMade(await post("/v1/auth/register", { open: true, body }));
  };
  if (made) {
    return made.confirmation ? (
      <Gate title="Look into your mail" lead={`A link to confirm ${made.email} is on its way. It is good for a day.`}>
        <a href={href("/signin")}>To the sign-in</a>
      </Gate>
    ) : (
      <Gate title="Your account is made" lead="You can sign in now.">
        <a class="btn primary" href={href("/signin")}>
          Sign in
        </a>
      </Gate>
    );
  }
  return (
    <Gate title="Make an account">
      <Form send={send} tried="Making the account">
        {(form) => (
          <>
            <NewAccount form={form} />
            <div class="bar">
              <Submit form={form}>Make the account</Submit>
              <span class="grow" />
              <a href={href("/signin")}>I have one</a>
            </div>
          </>
        )}
      </Form>
    </Gate>
  );
}
