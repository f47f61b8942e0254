import { useState } from "preact/hooks";
import { patch, post, type Schemas } from "../api.ts";
import { Problem } from "../problem.ts";
import { at, go } from "../state/location.ts";
import { toast } from "../state/toasts.ts";
import { type Draft, everyText, settings } from "./draft.ts";

export interface SaveProps {
  project: string;
  endpoint: Schemas["Endpoint"] | null;
  draft: Draft;
  name: string;
  ignored: ReadonlySet<string>;
  /** What is kept is not known, or nothing. */
  cannot: boolean;
}

/** Makes the endpoint, or changes how it is polled, and goes to its page. */
export function Save({ project, endpoint, draft, name, ignored, cannot }: SaveProps) {
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<unknown>(null);
  const every = draft.every === "cron" ? "by cron" : `every ${everyText(draft.every)}`;
  const send = async () => {
    if (busy || cannot) return;
    setBusy(true);
    setError(null);
    try {
      const polling = settings(draft) as Schemas["PollingChange"];
      if (endpoint === null) await made(project, name.trim(), polling, [...ignored]);
      else await changed(project, endpoint, polling, [...ignored]);
    } catch (caught) {
      setError(caught);
    }
    setBusy(false);
  };
  return (
    <>
      {error ? (
        <p class="wrong" role="alert">
          {error instanceof Problem ? (error.fields[0]?.message ?? error.message) : String(error)}
        </p>
      ) : null}
      <button class="btn primary" type="button" onClick={() => void send()} aria-disabled={busy || cannot}>
        {endpoint === null ? `Track ${every}` : "Save"}
      </button>
      <span class="quiet">
        {busy ? "Asking for the first version …" : endpoint === null ? "and keep this answer as version 1" : every}
      </span>
    </>
  );
}

async function made(project: string, name: string, polling: Schemas["PollingChange"], ignore: string[]): Promise<void> {
  const body = { name, polling, ...(ignore.length > 0 ? { diff: { ignore } } : {}) } as Schemas["NewEndpoint"];
  const { endpoint } = await post("/v1/endpoints", { in: project, body });
  // The server begins with it by itself.
  const first = { in: project, path: { endpoint: endpoint.id }, query: { if_due: true } };
  const { poll } = await post("/v1/endpoints/{endpoint}/poll", first);
  if (poll?.class) toast(`It is tracked, but its first poll failed: ${poll.detail}`);
  go(at("p", project, "e", endpoint.name, ...(poll?.class ? ["polls"] : [])));
}

async function changed(
  project: string,
  endpoint: Schemas["Endpoint"],
  polling: Schemas["PollingChange"],
  ignore: string[],
): Promise<void> {
  const body = { polling, diff: { ignore } } as Schemas["EndpointChange"];
  await patch("/v1/endpoints/{endpoint}", { in: project, path: { endpoint: endpoint.id }, body });
  toast("It is polled so from now on");
  go(at("p", project, "e", endpoint.name));
}
