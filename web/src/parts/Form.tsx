import type { ComponentChildren, TargetedEvent } from "preact";
import { useId, useLayoutEffect, useRef, useState } from "preact/hooks";
import { Problem } from "../problem.ts";

export interface FormState {
  busy: boolean;
  error: unknown;
  /** What the server says of one field. */
  of: (field: string) => string | undefined;
}

/** A form that sends once at a time, shows what the server refused beside the fields it names, and moves the focus there. */
export function Form({
  send,
  children,
  tried = "Sending",
}: {
  send: (data: FormData) => Promise<void>;
  children: (state: FormState) => ComponentChildren;
  tried?: string;
}) {
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<unknown>(null);
  const form = useRef<HTMLFormElement>(null);
  const fields = error instanceof Problem ? error.fields : [];
  const submit = async (event: TargetedEvent<HTMLFormElement>) => {
    event.preventDefault();
    if (busy) return;
    setBusy(true);
    setError(null);
    try {
      await send(new FormData(event.currentTarget));
    } catch (caught) {
      setError(caught);
      focusFirst(form.current, caught);
    }
    setBusy(false);
  };
  const named = new Set(fields.map((each) => each.field));
  const state: FormState = { busy, error, of: (field) => fields.find((each) => each.field === field)?.message };
  const shown = form.current && [...named].every((field) => form.current?.elements.namedItem(field));
  return (
    <form ref={form} class="form" onSubmit={submit} aria-busy={busy}>
      {children(state)}
      {error && !(shown && named.size) ? <FormError tried={tried} error={error} /> : null}
    </form>
  );
}

function FormError({ tried, error }: { tried: string; error: unknown }) {
  const problem = error instanceof Problem ? error : null;
  return (
    <p class="form-error" role="alert">
      {problem ? problem.message : `${tried} failed: ${String(error)}`}
      {problem?.retryAfterS ? ` Try again in ${problem.retryAfterS} s.` : ""}
      {problem && problem.status >= 500 ? <small>Request {problem.requestId}</small> : null}
    </p>
  );
}

function focusFirst(form: HTMLFormElement | null, error: unknown): void {
  const field = error instanceof Problem ? error.fields[0]?.field : undefined;
  const found = field ? form?.elements.namedItem(field) : null;
  const input = found instanceof RadioNodeList ? found[0] : found; // of several choices the first
  if (input instanceof HTMLElement) input.focus();
}

interface InputProps {
  type?: "text" | "email" | "password" | "number" | "search" | "url" | "date";
  autocomplete?: string;
  autofocus?: boolean;
  defaultValue?: string;
  disabled?: boolean;
  inputMode?: "text" | "numeric" | "decimal";
  max?: number;
  maxLength?: number;
  min?: number;
  minLength?: number;
  onInput?: (event: TargetedEvent<HTMLInputElement>) => void;
  pattern?: string;
  placeholder?: string;
  required?: boolean;
  spellcheck?: boolean;
  step?: number;
  value?: string;
}

/** A labelled input; `hint` stands under it, and the server's word in its place where it refused the value. */
export function Field({
  label,
  name,
  form,
  hint,
  ...input
}: InputProps & { label: string; name: string; form: FormState; hint?: string }) {
  const id = useId();
  const error = form.of(name);
  const note = error ?? hint;
  const box = useRef<HTMLInputElement>(null);
  // Browsers heed the attribute once a page, whatever comes later. Before it is seen: who is quick is in another field.
  useLayoutEffect(() => {
    if (input.autofocus) box.current?.focus();
  }, [input.autofocus]);
  return (
    <div class="field">
      <label for={id}>{label}</label>
      <input
        ref={box}
        {...(input as object)}
        id={id}
        name={name}
        aria-invalid={error ? "true" : undefined}
        aria-describedby={note ? `${id}-note` : undefined}
      />
      {note ? (
        <small id={`${id}-note`} class={error ? "wrong" : undefined}>
          {note}
        </small>
      ) : null}
    </div>
  );
}

/** As `Field`, of several lines. */
export function LinesField({
  label,
  name,
  form,
  value,
  ...area
}: {
  label: string;
  name: string;
  form: FormState;
  value: string;
  rows: number;
  required?: boolean;
}) {
  const id = useId();
  const error = form.of(name);
  return (
    <div class="field">
      <label for={id}>{label}</label>
      <textarea
        {...area}
        id={id}
        name={name}
        spellcheck={false}
        aria-invalid={error ? "true" : undefined}
        aria-describedby={error ? `${id}-note` : undefined}
      >
        {value}
      </textarea>
      <Wrong id={`${id}-note`} error={error} />
    </div>
  );
}

/** What the server says of a field, for its `aria-describedby`. */
export function Wrong({ id, error }: { id: string; error: string | undefined }) {
  return error ? (
    <small id={id} class="wrong">
      {error}
    </small>
  ) : null;
}

export function Submit({ form, children }: { form: FormState; children: ComponentChildren }) {
  return (
    <button class="btn primary" type="submit" aria-disabled={form.busy}>
      {children}
    </button>
  );
}

/** A field's text. */
export function text(data: FormData, name: string): string {
  const value = data.get(name);
  return typeof value === "string" ? value : "";
}

/** A labelled choice: each option's value and what it says. */
export function Choice({
  label,
  name,
  options,
  value: chosen,
}: {
  label: string;
  name: string;
  options: readonly (readonly [value: string, text: string])[];
  value?: string;
}) {
  const id = useId();
  return (
    <div class="field">
      <label for={id}>{label}</label>
      <select id={id} name={name}>
        {options.map(([value, text]) => (
          <option key={value} value={value} selected={value === chosen}>
            {text}
          </option>
        ))}
      </select>
    </div>
  );
}

/** The end of a form in a dialog. */
export function SubmitOrCancel({
  form,
  close,
  children,
}: {
  form: FormState;
  close: () => void;
  children: ComponentChildren;
}) {
  return (
    <div class="acts">
      <button class="btn" type="button" onClick={close}>
        Cancel
      </button>
      <Submit form={form}>{children}</Submit>
    </div>
  );
}
