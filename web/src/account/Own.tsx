import { useState } from "preact/hooks";
import { post, remove, type Schemas } from "../api.ts";
import { NewPassword, OwnPassword } from "../parts/Credentials.tsx";
import { Field, Form, Submit, text } from "../parts/Form.tsx";
import { signOut } from "../state/session.ts";
import { Zone } from "./Zone.tsx";

export function Profile({ user }: { user: Schemas["User"] }) {
  return (
    <section class="card" aria-labelledby="own-profile">
      <h2 id="own-profile">{user.name || "You"}</h2>
      <dl class="facts">
        <dt>E-mail address</dt>
        <dd>{user.email}</dd>
        <dt>Role here</dt>
        <dd>{user.role}</dd>
      </dl>
      <Zone />
    </section>
  );
}

export function Password() {
  const [turn, setTurn] = useState(0);
  const send = async (data: FormData) => {
    const body = { current_password: text(data, "current_password"), new_password: text(data, "new_password") };
    await post("/v1/auth/change-password", { body });
    setTurn(turn + 1); // an empty form again
  };
  return (
    <section class="card" aria-labelledby="own-password">
      <h2 id="own-password">Password</h2>
      <p class="quiet">
        {turn > 0 ? "Changed: your other sessions have ended." : "A new one ends your other sessions."}
      </p>
      <Form key={turn} send={send} tried="Changing the password">
        {(form) => (
          <>
            <OwnPassword form={form} name="current_password" label="Present password" />
            <NewPassword form={form} name="new_password" label="New password" />
            <Submit form={form}>Change the password</Submit>
          </>
        )}
      </Form>
    </section>
  );
}

/** Deletes the account: the address is typed, and the password given. */
export function Leaving({ email }: { email: string }) {
  const [asked, setAsked] = useState(false);
  const [typed, setTyped] = useState("");
  const send = async (data: FormData) => {
    await remove("/v1/auth/me", { body: { password: text(data, "password") } });
    await signOut();
  };
  return (
    <section class="card" aria-labelledby="own-leaving">
      <h2 id="own-leaving">Leave</h2>
      <p class="quiet">
        Deletes your account, its sessions and memberships. Projects and keys stay; the audit log keeps what was done.
      </p>
      {asked ? (
        <Form send={send} tried="Deleting the account">
          {(form) => (
            <>
              <Field
                form={form}
                label={`Type ${email}`}
                name="typed"
                autocomplete="off"
                onInput={(event) => setTyped(event.currentTarget.value)}
              />
              <OwnPassword form={form} />
              <div class="bar">
                <button class="btn danger" type="submit" disabled={typed.trim() !== email || form.busy}>
                  Delete my account
                </button>
                <button class="btn ghost" type="button" onClick={() => setAsked(false)}>
                  Keep it
                </button>
              </div>
            </>
          )}
        </Form>
      ) : (
        <button class="btn danger" type="button" onClick={() => setAsked(true)}>
          Delete my account
        </button>
      )}
    </section>
  );
}
