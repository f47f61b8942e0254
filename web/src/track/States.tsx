import { Failure } from "../parts/Failure.tsx";
import { Icon } from "../parts/Icon.tsx";
import { at, href } from "../state/location.ts";
import type { Source } from "./draft.ts";
import type { Failed, Tried } from "./useTrial.ts";

const TITLES: Record<Failed["class"] & string, string> = {
  egress: "Delta may not connect there",
  dns: "There is no such host",
  connect: "There is no connection",
  tls: "The connection is not secure",
  timeout: "It takes too long",
  status: "It answers, but not with a document",
  decode: "What comes cannot be read",
  too_large: "It is too large",
  expect: "It is not what is expected",
  transform: "The expression does not fit",
  auth: "There is no access token",
  quota: "The plan is used up",
  storage: "It cannot be stored",
};

interface FailedProps {
  failed: Failed;
  retry: () => void;
  sign: () => void;
}

/** Why there is nothing to keep, and what can be done. */
export function FailedTrial({ failed, retry, sign }: FailedProps) {
  const asksWho = failed.status === 401 || failed.status === 403 || failed.class === "auth";
  return (
    <section class="failed-trial" role="alert">
      <h2>
        <span class="st failed" aria-hidden="true" />
        {asksWho ? "It wants to know who asks" : TITLES[failed.class ?? "connect"]}
      </h2>
      <p>{failed.detail}.</p>
      {failed.class === "too_large" ? <p>Ask for less of it, by a parameter in the address or in pages.</p> : null}
      {failed.excerpt ? (
        // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls is reached by keys
        <pre class="code" tabIndex={0}>
          {failed.excerpt}
        </pre>
      ) : null}
      <div class="bar">
        {asksWho ? (
          <button class="btn primary" type="button" onClick={sign}>
            Headers and sign-in
          </button>
        ) : null}
        <button class="btn" type="button" onClick={retry}>
          <Icon name="again" />
          Try again
        </button>
      </div>
    </section>
  );
}

export function RefusedTrial({ error, retry }: { error: unknown; retry: () => void }) {
  return <Failure tried="Trying the source" error={error} retry={retry} />;
}

interface NotesProps {
  project: string;
  told: Tried;
  source: Source;
  /** The endpoint whose settings these are. */
  endpoint: string | null;
  gather: (paging: NonNullable<Source["paging"]>) => void;
}

/** What there is to know of a source before it is tracked. */
export function Notes({ project, told, source, endpoint, gather }: NotesProps) {
  const { paging } = told.suggested;
  const isEmpty = told.source_bytes <= 4 && told.source !== null && Object.keys(Object(told.source)).length === 0;
  return (
    <>
      {told.tracked_by !== null && told.tracked_by !== endpoint ? (
        <p class="note">
          <a href={href(at("p", project, "e", told.tracked_by))}>
            <bdi>{told.tracked_by}</bdi>
          </a>{" "}
          asks this address already.
        </p>
      ) : null}
      {paging !== null && source.paging === null ? (
        <p class="note">
          This is one page of several.
          <button class="btn" type="button" onClick={() => gather(paging)}>
            Gather all of them
          </button>
        </p>
      ) : null}
      {told.note === null ? null : <p class="note">Perhaps not whole: {told.note}.</p>}
      {isEmpty ? (
        <p class="note">There is nothing in it now. It can be tracked: what comes later is its first change.</p>
      ) : null}
    </>
  );
}

/** Before anything is pasted. */
export function Begin({ project }: { project: string }) {
  return (
    <div class="none begin">
      <p>
        Paste an address. Delta asks for it now, shows what comes, and then keeps every version of what you choose:
        JSON, CSV, XML, YAML, feeds and calendars.
      </p>
      <p class="quiet">
        A program of yours can <a href={href(at("p", project, "connect"))}>send what it has</a> instead.
      </p>
    </div>
  );
}
