import { useState } from "preact/hooks";
import { get, post, type Schemas } from "../api.ts";
import { NewAccount } from "../parts/Credentials.tsx";
import { Failure } from "../parts/Failure.tsx";
import { Form, Submit, text } from "../parts/Form.tsx";
import { Gate } from "../parts/Gate.tsx";
import { Loading } from "../parts/Loading.tsx";
import { useLoad } from "../state/load.ts";
import { href } from "../state/location.ts";

export default function Register() {
  const methods = useLoad((signal) => get("/v1/auth/methods", { open: true, signal }), []);
  const [made, setMade] = useState<Schemas["Registered"] | null>(null);
  const send = async (data: FormData) => {
    const body = { email: text(data, "email"), password: text(data, "password"), name: text(data, "name").trim() };
    setMade(await post("/v1/auth/register", { open: true, body }));
  };
  if (made) {
    return made.confirmation ? (
      <Gate title="Look into your mail" lead={`A link to confirm ${made.email} is on its way. It is good for a day.`}>
        <a class="btn" href={href("/signin")}>
          To the sign-in
        </a>
      </Gate>
    ) : (
      <Gate title="Your account is made" lead="You can sign in now.">
        <a class="btn primary" href={href("/signin")}>
          Sign in
        </a>
      </Gate>
    );
  }
  if (methods.error) {
    return (
      <Gate title="Make an account">
        <Failure tried="Asking the server" error={methods.error} retry={methods.again} />
      </Gate>
    );
  }
  if (!methods.data) return <Loading />;
  if (methods.data.registration !== "open") {
    return (
      <Gate title="Accounts are by invitation" lead="Ask whoever runs this server, or a project of yours, for one.">
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
