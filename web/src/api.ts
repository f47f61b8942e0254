// The only file that fetches. Requests are typed by their path, from the server's own OpenAPI document.
import { Problem, problemOf, UNREACHABLE } from "./problem.ts";
import { segment } from "./segment.ts";
import { askBy, reached, unreachable } from "./state/connection.ts";
import { accessToken, ended, renew } from "./state/session.ts";
import type { components, paths } from "./types.gen.ts";

export { Problem } from "./problem.ts";
export type Schemas = components["schemas"];

type Method = "get" | "post" | "put" | "patch" | "delete";
/** The paths that have a method. */
export type PathsWith<M extends Method> = {
  [P in keyof paths]: paths[P] extends { [K in M]: { responses: unknown } } ? P : never;
}[keyof paths];
type Operation<P, M extends Method> = P extends keyof paths
  ? paths[P] extends { [K in M]: infer O }
    ? O
    : never
  : never;
type Parameters<O, Place extends string> = O extends { parameters: { [K in Place]?: infer Q } } ? Q : never;
type Content<A> = A extends { content: { "application/json": infer J } } ? J : undefined;
type Succeeded<R> = { [S in keyof R]: S extends 200 | 201 | 202 | 204 ? Content<R[S]> : never }[keyof R];
/** What a route answers with. */
export type Answer<P, M extends Method = "get"> =
  Operation<P, M> extends { responses: infer R } ? Succeeded<R> : undefined;
type Body<O> = O extends { requestBody?: { content: { "application/json": infer B } } } ? B : never;

interface Sent<O> {
  /** The project that is meant, by name or id: routes that are about one and do not name it in their path. */
  in?: string;
  path?: Parameters<O, "path">;
  query?: Parameters<O, "query">;
  body?: Body<O>;
  headers?: Record<string, string>;
  signal?: AbortSignal;
  /** The answer never changes: the browser's copy is taken unasked. */
  keep?: boolean;
  /** Asks nobody to sign in: for the pages that do so themselves. */
  open?: boolean;
}

type Loose = Sent<unknown> & { path?: unknown; query?: unknown; body?: unknown };

export const get = <P extends PathsWith<"get">>(path: P, sent: Sent<Operation<P, "get">> = {}) =>
  json<Answer<P, "get">>("GET", path, sent as Loose);
export const post = <P extends PathsWith<"post">>(path: P, sent: Sent<Operation<P, "post">> = {}) =>
  json<Answer<P, "post">>("POST", path, sent as Loose);
export const put = <P extends PathsWith<"put">>(path: P, sent: Sent<Operation<P, "put">> = {}) =>
  json<Answer<P, "put">>("PUT", path, sent as Loose);
export const patch = <P extends PathsWith<"patch">>(path: P, sent: Sent<Operation<P, "patch">> = {}) =>
  json<Answer<P, "patch">>("PATCH", path, sent as Loose);
export const remove = <P extends PathsWith<"delete">>(path: P, sent: Sent<Operation<P, "delete">> = {}) =>
  json<Answer<P, "delete">>("DELETE", path, sent as Loose);

/** An answer as it comes: bytes of a document, an export, a page with headers of interest. */
export const raw = <P extends PathsWith<"get">>(path: P, sent: Sent<Operation<P, "get">> = {}) =>
  request("GET", path, sent as Loose);

/** The same of a question that is too long for an address. */
export const rawPost = <P extends PathsWith<"post">>(path: P, sent: Sent<Operation<P, "post">> = {}) =>
  request("POST", path, sent as Loose);

/** A route's address below the base, with its parameters in it. */
export function url(path: string, sent: Pick<Loose, "in" | "path" | "query"> = {}): string {
  const named = (sent.path ?? {}) as Record<string, string>;
  const filled = path.replace(/\{(\w+)\}/g, (_, name: string) => segment(named[name] ?? ""));
  const asked = new URLSearchParams();
  if (sent.in !== undefined) asked.set("project_id", sent.in);
  for (const [name, value] of Object.entries(sent.query ?? {})) {
    if (value === undefined || value === null) continue;
    for (const one of Array.isArray(value) ? value : [value]) asked.append(name, String(one));
  }
  const text = asked.toString();
  return new URL(filled.slice(1) + (text ? `?${text}` : ""), document.baseURI).href;
}

async function json<A>(method: string, path: string, sent: Loose): Promise<A> {
  const answer = await request(method, path, sent);
  if (answer.status === 204) return undefined as A;
  try {
    return (await answer.json()) as A;
  } catch (error) {
    throw broken(error, sent.signal);
  }
}

/** Sends, signs in again where the session's token has run out, and throws a Problem for what failed. */
async function request(method: string, path: string, sent: Loose): Promise<Response> {
  const address = url(path, sent);
  for (let tries = 0; ; tries++) {
    const token = sent.open ? null : await accessToken(sent.signal);
    const answer = await send(method, address, sent, token);
    if (answer.ok) return answer;
    const problem = await problemOf(answer);
    if (answer.status !== 401 || sent.open || tries > 1) throw problem;
    if (token !== null && !(await renew(token))) await ended(sent.signal);
  }
}

async function send(method: string, address: string, sent: Loose, token: string | null): Promise<Response> {
  const headers: Record<string, string> = { accept: "application/json, */*;q=0.5", ...sent.headers };
  if (token !== null) headers.authorization = `Bearer ${token}`;
  if (sent.body !== undefined) headers["content-type"] ??= "application/json";
  try {
    const answer = await fetch(address, {
      method,
      headers,
      credentials: "same-origin",
      ...(sent.body === undefined ? {} : { body: JSON.stringify(sent.body) }),
      ...(sent.signal ? { signal: sent.signal } : {}),
      ...(sent.keep ? { cache: "force-cache" as const } : {}),
    });
    reached();
    return answer;
  } catch (error) {
    throw broken(error, sent.signal);
  }
}

askBy(() => get("/healthz", { open: true }));

/** What a fetch throws, as a Problem; an abort stays what it is. */
function broken(error: unknown, signal: AbortSignal | undefined): unknown {
  if (signal?.aborted) return error;
  unreachable();
  return new Problem(0, UNREACHABLE, "the server cannot be reached");
}
