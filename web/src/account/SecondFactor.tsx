import { useState } from "preact/hooks";
import { post, type Schemas } from "../api.ts";
import { Copy } from "../parts/Copy.tsx";
import { OwnPassword } from "../parts/Credentials.tsx";
import { Field, Form, type FormState, Submit, text } from "../parts/Form.tsx";
import { Qr } from "./Qr.tsx";

type Step =
  | { at: "rest" | "begin" | "end" | "codes" }
  | { at: "confirm"; enrolment: Schemas["Enrolment"] }
  | { at: "shown"; codes: readonly string[] };

/** Codes of an authenticator app beside the password: begun, confirmed, ended; recovery codes shown once. */
export function SecondFactor({ me, changed }: { me: Schemas["MeAnswer"]; changed: () => void }) {
  const [step, setStep] = useState<Step>({ at: "rest" });
  const rest = () => setStep({ at: "rest" });
  const show = (codes: readonly string[]) => {
    setStep({ at: "shown", codes });
    changed();
  };
  return (
    <section class="card" aria-labelledby="own-factor">
      <h2 id="own-factor">Second factor</h2>
      <p class="quiet">
        {me.second_factor
          ? `On: a sign-in wants a code of your app. ${me.recovery_codes_left} recovery codes are left.`
          : "Off. With it a sign-in wants a code of an authenticator app, and a password alone opens nothing."}
      </p>
      {step.at === "rest" ? <Buttons on={me.second_factor} to={(at) => setStep({ at })} /> : null}
      {step.at === "begin" ? <Begin back={rest} next={(enrolment) => setStep({ at: "confirm", enrolment })} /> : null}
      {step.at === "confirm" ? <Confirm enrolment={step.enrolment} back={rest} next={show} /> : null}
      {step.at === "shown" ? <Shown codes={step.codes} done={rest} /> : null}
      {step.at === "codes" ? <Again back={rest} next={show} /> : null}
      {step.at === "end" ? (
        <End
          back={rest}
          next={() => {
            rest();
            changed();
          }}
        />
      ) : null}
    </section>
  );
}

function Buttons({ on, to }: { on: boolean; to: (at: "begin" | "end" | "codes") => void }) {
  if (!on) {
    return (
      <button class="btn" type="button" onClick={() => to("begin")}>
        Add a second factor
      </button>
    );
  }
  return (
    <div class="bar">
      <button class="btn" type="button" onClick={() => to("codes")}>
        New recovery codes
      </button>
      <button class="btn danger" type="button" onClick={() => to("end")}>
        Turn it off
      </button>
    </div>
  );
}

interface Move<T> {
  back: () => void;
  next: (value: T) => void;
}

function Begin({ back, next }: Move<Schemas["Enrolment"]>) {
  const send = async (data: FormData) =>
    next(await post("/v1/auth/totp", { body: { password: text(data, "password") } }));
  return (
    <Form send={send} tried="Beginning">
      {(form) => (
        <>
          <OwnPassword form={form} autofocus />
          <Acts form={form} name="Go on" back={back} />
        </>
      )}
    </Form>
  );
}

function Confirm({ enrolment, back, next }: Move<readonly string[]> & { enrolment: Schemas["Enrolment"] }) {
  const send = async (data: FormData) =>
    next((await post("/v1/auth/totp/confirm", { body: { code: code(data) } })).recovery_codes);
  return (
    <Form send={send} tried="Confirming">
      {(form) => (
        <>
          <p>Scan this with your authenticator app, or type the secret into it. Then give the code that it shows.</p>
          <Qr text={enrolment.uri} label="QR code for an authenticator app" />
          <p>
            Secret: <code class="totp">{enrolment.secret.replace(/(.{4})(?=.)/g, "$1 ")}</code>
          </p>
          <Code form={form} autofocus />
          <Acts form={form} name="Turn it on" back={back} />
        </>
      )}
    </Form>
  );
}

function Shown({ codes, done }: { codes: readonly string[]; done: () => void }) {
  return (
    <div class="form">
      <p>
        <b>Keep these recovery codes.</b> Each signs you in once where the app is not at hand. They are shown this once.
      </p>
      <ul class="codes">
        {codes.map((each) => (
          <li key={each}>
            <code>{each}</code>
          </li>
        ))}
      </ul>
      <div class="bar">
        <Copy text={codes.join("\n")} what="codes" />
        <button class="btn primary" type="button" onClick={done}>
          I have kept them
        </button>
      </div>
    </div>
  );
}

function Again({ back, next }: Move<readonly string[]>) {
  const send = async (data: FormData) => {
    const body = { password: text(data, "password"), code: code(data) };
    next((await post("/v1/auth/totp/recovery-codes", { body })).recovery_codes);
  };
  return (
    <Form send={send} tried="Making codes">
      {(form) => (
        <>
          <OwnPassword form={form} autofocus />
          <Code form={form} />
          <Acts form={form} name="Make new codes" back={back} />
        </>
      )}
    </Form>
  );
}

function End({ back, next }: Move<void>) {
  const send = async (data: FormData) => {
    await post("/v1/auth/totp/disable", { body: { password: text(data, "password"), code: code(data) } });
    next();
  };
  return (
    <Form send={send} tried="Turning it off">
      {(form) => (
        <>
          <OwnPassword form={form} autofocus />
          <Code form={form} />
          <Acts form={form} name="Turn it off" back={back} />
        </>
      )}
    </Form>
  );
}

function Code({ form, autofocus = false }: { form: FormState; autofocus?: boolean }) {
  return (
    <Field
      form={form}
      label="Code"
      name="code"
      inputMode="numeric"
      autocomplete="one-time-code"
      required
      maxLength={64}
      autofocus={autofocus}
    />
  );
}

function Acts({ form, name, back }: { form: FormState; name: string; back: () => void }) {
  return (
    <div class="bar">
      <Submit form={form}>{name}</Submit>
      <button class="btn ghost" type="button" onClick={back}>
        Cancel
      </button>
    </div>
  );
}

function code(data: FormData): string {
  return text(data, "code").replace(/\s/g, "");
}
