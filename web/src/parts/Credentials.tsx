import { Field, type FormState } from "./Form.tsx";

/** The address of an account, as browsers and password managers know it. */
export function Email({
  form,
  value,
  autofocus = true,
}: {
  form: FormState;
  value?: string | undefined;
  autofocus?: boolean;
}) {
  return (
    <Field
      form={form}
      label="E-mail address"
      name="email"
      type="email"
      autocomplete="username"
      required
      autofocus={autofocus}
      {...(value === undefined ? {} : { defaultValue: value })}
    />
  );
}

/** The password that the account has. */
export function OwnPassword({
  form,
  name = "password",
  label = "Password",
  autofocus = false,
}: {
  form: FormState;
  name?: string;
  label?: string;
  autofocus?: boolean;
}) {
  return (
    <Field
      form={form}
      label={label}
      name={name}
      type="password"
      autocomplete="current-password"
      required
      autofocus={autofocus}
    />
  );
}

/** A password that is being chosen, by the server's rules for them. */
export function NewPassword({
  form,
  name = "password",
  label = "Password",
  autofocus = false,
}: {
  form: FormState;
  name?: string;
  label?: string;
  autofocus?: boolean;
}) {
  return (
    <Field
      form={form}
      label={label}
      name={name}
      type="password"
      autocomplete="new-password"
      minLength={10}
      maxLength={256}
      required
      autofocus={autofocus}
      hint="Ten characters or more."
    />
  );
}

/** What an account is made of. */
export function NewAccount({ form, autofocus = true }: { form: FormState; autofocus?: boolean }) {
  return (
    <>
      <Email form={form} autofocus={autofocus} />
      <Field form={form} label="Your name" name="name" autocomplete="name" maxLength={200} />
      <NewPassword form={form} />
    </>
  );
}
