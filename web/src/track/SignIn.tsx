import { useState } from "preact/hooks";
import { Dialog } from "../parts/Dialog.tsx";
import { Field, Form, type FormState, SubmitOrCancel, text } from "../parts/Form.tsx";
import { Icon } from "../parts/Icon.tsx";
import type { Auth, AuthKind, Header, Source } from "./draft.ts";

const KINDS: Record<AuthKind, string> = {
  none: "Not at all",
  basic: "Name and password",
  bearer: "Bearer token",
  header: "A key in a header",
  oauth2: "OAuth 2, client credentials",
};

/** Of each kind its fields: what is secret is last, as the server masks it. */
const FIELDS: Record<AuthKind, readonly [name: string, label: string, optional?: boolean][]> = {
  none: [],
  basic: [
    ["username", "Name"],
    ["password", "Password"],
  ],
  bearer: [["token", "Token"]],
  header: [
    ["name", "Header, such as X-Api-Key"],
    ["value", "Key"],
  ],
  oauth2: [
    ["token_url", "Where a token is got"],
    ["client_id", "Client id"],
    ["client_secret", "Client secret"],
    ["scope", "Scopes, with spaces between", true],
    ["audience", "Audience", true],
  ],
};
const SECRETS = new Set(["password", "token", "value", "client_secret"]);

interface SignInProps {
  source: Source;
  close: () => void;
  save: (changed: Pick<Source, "headers" | "auth" | "body" | "method">) => void;
}

/** What is sent beside the address. It stays in this page until it is saved, and then encrypted at the server. */
export function SignIn({ source, close, save }: SignInProps) {
  const [kind, setKind] = useState<AuthKind>(source.auth?.type ?? "none");
  const [headers, setHeaders] = useState(source.headers);
  const [method, setMethod] = useState(source.method);
  const send = async (data: FormData) =>
    save({
      headers: headers.filter(({ name }) => name.trim() !== ""),
      auth: authOf(kind, data),
      body: text(data, "body"),
      method,
    });
  return (
    <Dialog
      title="Headers and sign-in"
      lead="Sent with each request. Secrets are encrypted at the server and never shown again."
      close={close}
    >
      <Form send={send} tried="Trying">
        {(form) => (
          <>
            <div class="field">
              <label for="track-auth">Sign in</label>
              <select id="track-auth" value={kind} onChange={(event) => setKind(event.currentTarget.value as AuthKind)}>
                {Object.entries(KINDS).map(([value, name]) => (
                  <option key={value} value={value}>
                    {name}
                  </option>
                ))}
              </select>
            </div>
            <Credentials key={kind} form={form} kind={kind} auth={source.auth} />
            <Headers headers={headers} change={setHeaders} />
            <Body method={method} choose={setMethod} body={source.body} />
            <SubmitOrCancel form={form} close={close}>
              Try it
            </SubmitOrCancel>
          </>
        )}
      </Form>
    </Dialog>
  );
}

function Credentials({ form, kind, auth }: { form: FormState; kind: AuthKind; auth: Auth | null }) {
  const known = (auth?.type === kind ? auth : {}) as Record<string, string>;
  return (
    <>
      {FIELDS[kind].map(([name, label, optional], i) => (
        <Field
          key={name}
          form={form}
          label={label}
          name={name}
          type={SECRETS.has(name) ? "password" : "text"}
          autocomplete={SECRETS.has(name) ? "new-password" : "off"}
          autofocus={i === 0}
          spellcheck={false}
          required={!optional}
          defaultValue={known[name] ?? ""}
          {...(known[name] === "***" ? { hint: "Left as it is, it stays." } : {})}
        />
      ))}
    </>
  );
}

function authOf(kind: AuthKind, data: FormData): Auth | null {
  if (kind === "none") return null;
  const values = FIELDS[kind].map(([name]) => [name, text(data, name)] as const).filter(([, value]) => value !== "");
  return { type: kind, ...Object.fromEntries(values) } as Auth;
}

function Headers({ headers, change }: { headers: readonly Header[]; change: (headers: readonly Header[]) => void }) {
  const shown = [...headers, { name: "", value: "" }];
  const set = (i: number, header: Header) =>
    change(shown.map((each, k) => (k === i ? header : each)).filter(({ name, value }) => name !== "" || value !== ""));
  return (
    <fieldset class="field pairs">
      <legend>Headers</legend>
      {shown.map((header, i) => (
        <div key={i}>
          <input
            aria-label={`Header ${i + 1}: name`}
            value={header.name}
            placeholder="Accept-Language"
            maxLength={200}
            spellcheck={false}
            autocomplete="off"
            onInput={(event) => set(i, { ...header, name: event.currentTarget.value })}
          />
          <input
            aria-label={`Header ${i + 1}: value`}
            value={header.value}
            placeholder="en"
            maxLength={4000}
            spellcheck={false}
            autocomplete="off"
            onInput={(event) => set(i, { ...header, value: event.currentTarget.value })}
          />
          {i < headers.length ? (
            <button
              class="icon"
              type="button"
              aria-label="Take the header out"
              onClick={() => change(headers.filter((_, k) => k !== i))}
            >
              <Icon name="close" />
            </button>
          ) : (
            <span />
          )}
        </div>
      ))}
    </fieldset>
  );
}

interface BodyProps {
  method: Source["method"];
  choose: (method: Source["method"]) => void;
  body: string;
}

function Body({ method, choose, body }: BodyProps) {
  if (method === "GET") {
    return (
      <p class="quiet">
        A GET sends no body.{" "}
        <button class="btn ghost" type="button" onClick={() => choose("POST")}>
          Ask by POST
        </button>
      </p>
    );
  }
  return (
    <div class="field">
      <label for="track-body">Body of the {method}: JSON, such as a query of GraphQL, or a text</label>
      <textarea id="track-body" name="body" rows={4} spellcheck={false} maxLength={65_536}>
        {body}
      </textarea>
    </div>
  );
}
