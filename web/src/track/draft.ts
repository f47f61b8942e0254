/** A source as somebody describes it on the page: made of an endpoint's settings, and sent as such. */

import type { Schemas } from "../api.ts";

export type Polling = Schemas["PollingShown"];
export type Auth = NonNullable<Polling["auth"]>;
export type AuthKind = Auth["type"];
type Change = Schemas["PollingChange"];

export interface Header {
  name: string;
  value: string;
}

/** What is asked, and how. */
export interface Source {
  url: string;
  method: Polling["method"];
  headers: readonly Header[];
  body: string;
  auth: Auth | null;
  timeout: string;
  readAs: Polling["read_as"];
  paging: Polling["paging"];
}

/** What is made of an answer, when, and what counts as one. */
export interface Draft {
  source: Source;
  /** JMESPath; null: all of it, "": nothing yet. */
  transform: string | null;
  /** "cron" where `cron` says when. */
  every: string;
  cron: string;
  timezone: string;
  retries: number;
  status: string;
  contentType: string;
  condition: string;
}

export function newDraft(url: string, transform: string | null, every: string, timezone: string): Draft {
  const source: Source = {
    url,
    method: "GET",
    headers: [],
    body: "",
    auth: null,
    timeout: "30s",
    readAs: null,
    paging: null,
  };
  const expect = { status: "", contentType: "", condition: "" };
  return { source, transform, every, cron: "", timezone, retries: 2, ...expect };
}

/** Of an endpoint that is polled; secrets are masked, and stay where the mask does. */
export function draftOf(polling: Polling): Draft {
  return {
    source: {
      url: polling.url,
      method: polling.method,
      headers: Object.entries(polling.headers).map(([name, value]) => ({ name, value })),
      body: bodyText(polling.body),
      auth: polling.auth,
      timeout: polling.timeout,
      readAs: polling.read_as,
      paging: polling.paging,
    },
    transform: polling.transform,
    every: polling.interval ?? "cron",
    cron: polling.cron ?? "",
    timezone: polling.timezone,
    retries: polling.retries,
    status: polling.expect?.status?.join(", ") ?? "",
    contentType: polling.expect?.content_type ?? "",
    condition: polling.expect?.expression ?? "",
  };
}

function bodyText(body: unknown): string {
  return body === null || body === undefined ? "" : typeof body === "string" ? body : JSON.stringify(body, null, 2);
}

/** What a request of it is, without what is made of the answer. */
export function asked(source: Source): Change {
  const headers = source.headers.filter(({ name }) => name.trim() !== "");
  return {
    url: source.url.trim(),
    method: source.method,
    headers: Object.fromEntries(headers.map(({ name, value }) => [name.trim(), value.trim()])),
    body: source.method === "GET" || source.body.trim() === "" ? null : sentBody(source.body),
    auth: source.auth ?? { type: "none" },
    timeout: source.timeout.trim() || null,
    read_as: source.readAs,
    paging: source.paging,
  } as Change;
}

/** JSON is sent as such, anything else as it is written. */
function sentBody(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

/** With what is made of an answer, and what it has to be. */
export function judged(draft: Draft): Change {
  const status = draft.status.split(/[\s,]+/).filter(Boolean);
  const expect = {
    ...(status.length > 0 ? { status: status.map(Number) } : {}),
    ...(draft.contentType.trim() ? { content_type: draft.contentType.trim() } : {}),
    ...(draft.condition.trim() ? { expression: draft.condition.trim() } : {}),
  };
  return {
    ...asked(draft.source),
    transform: draft.transform || null,
    expect: Object.keys(expect).length > 0 ? expect : null,
  } as Change;
}

/** All of it, to be saved. */
export function settings(draft: Draft): Change {
  const byCron = draft.every === "cron";
  return {
    ...judged(draft),
    interval: byCron ? null : draft.every,
    cron: byCron ? draft.cron.trim() : null,
    timezone: draft.timezone || null,
    retries: draft.retries,
  } as Change;
}

const SECRET =
  /^(?:.*[_.-])?(?:api_?key|app_?id|key|token|secret|password|passwd|pwd|sig|signature|auth|credentials?)$/i;

/** An address as the page's own may hold it: null where it has what looks like a secret. */
export function shareable(url: string): string | null {
  const parsed = URL.parse(url);
  if (parsed === null) return url.length > 0 && !/[?@]/.test(url) ? url : null;
  if (parsed.username !== "" || parsed.password !== "") return null;
  return [...parsed.searchParams.keys()].some((name) => SECRET.test(name)) ? null : url;
}

/** What somebody pasted: an address with a scheme, a name and password in it as credentials, and nothing behind "#". */
export function pasted(text: string): { url: string; auth: Auth | null } {
  const trimmed = text.trim();
  const url = /^[a-z][a-z0-9+.-]*:\/\//i.test(trimmed) || trimmed === "" ? trimmed : `https://${trimmed}`;
  const parsed = URL.parse(url);
  if (parsed === null || !/^https?:$/.test(parsed.protocol)) return { url, auth: null };
  const { username, password } = parsed;
  if (username === "" && password === "" && !/#|[^\x21-\x7e]/.test(url)) return { url, auth: null };
  parsed.username = "";
  parsed.password = "";
  parsed.hash = "";
  const auth: Auth = { type: "basic", username: decoded(username), password: decoded(password) };
  return { url: parsed.href, auth: username || password ? auth : null };
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

const UNITS: Record<string, string> = { s: "s", m: "min", h: "h", d: "d" };

/** "5 min" of "5m". */
export function everyText(interval: string): string {
  const found = /^(\d+)([smhd])$/.exec(interval);
  return found ? `${found[1]} ${UNITS[found[2] as string]}` : interval;
}
