import { useState } from "preact/hooks";
import { get, post, remove } from "../api.ts";
import { OwnPassword } from "../parts/Credentials.tsx";
import { Form, Submit, text } from "../parts/Form.tsx";
import { useLoad } from "../state/load.ts";

/** Links the account to the identity provider, and ends that. */
export function SingleSignOn() {
  const { data } = useLoad((signal) => get("/v1/auth/methods", { open: true, signal }), []);
  const [said, setSaid] = useState("");
  if (!data?.oidc) return null;
  const link = async (form: FormData) => {
    const { location: there } = await post("/v1/auth/oidc/link", { body: { password: text(form, "password") } });
    location.assign(there);
  };
  const unlink = async () => {
    await remove("/v1/auth/oidc/link");
    setSaid("The link is ended: sign in with your password.");
  };
  return (
    <section class="card" aria-labelledby="own-sso">
      <h2 id="own-sso">{data.oidc.name}</h2>
      <p class="quiet">{said || `Link your account, and sign in by ${data.oidc.name} from then on.`}</p>
      <Form send={link} tried="Linking">
        {(form) => (
          <>
            <OwnPassword form={form} />
            <Submit form={form}>Link to {data.oidc?.name}</Submit>
          </>
        )}
      </Form>
      <Form send={unlink} tried="Ending the link">
        {(form) => (
          <button class="btn" type="submit" disabled={form.busy}>
            End the link
          </button>
        )}
      </Form>
    </section>
  );
}
