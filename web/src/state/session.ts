import { signal } from "@preact/signals";
import { get, post, type Schemas } from "../api.ts";
import { Problem } from "../problem.ts";
import { go } from "./location.ts";

type Tokens = Schemas["Tokens"];
export type Person = Schemas["User"];
/** "unknown" until the first refresh is answered; "ended" is for a session that ended under an open page. */
export type SessionState = "unknown" | "in" | "out" | "ended";

export const session = signal<SessionState>("unknown");
export const person = signal<Person | null>(null);

const EARLY_MS = 20_000;
const CHANNEL = typeof BroadcastChannel === "undefined" ? null : new BroadcastChannel("delta.session");

// The token lives in memory alone: whoever gets at a page's storage finds nothing.
let token: string | null = null;
let expiresAt = 0;
let renewing: Promise<boolean> | null = null;
let waiting: (() => void)[] = [];

/** A token that is good for a while yet. Waits while somebody is asked to sign in; throws what an abort throws. */
export async function accessToken(signal?: AbortSignal): Promise<string | null> {
  if (token !== null && Date.now() < expiresAt - EARLY_MS) return token;
  if (session.value === "ended") await signedIn(signal);
  else if (!(await renew(token))) await ended(signal);
  return token;
}

/** Gets the next pair by the cookie, once however many ask; false where the session is over. */
export function renew(old: string | null): Promise<boolean> {
  if (token !== old) return Promise.resolve(token !== null);
  renewing ??= oneTabAtATime(refresh).finally(() => {
    renewing = null;
  });
  return renewing;
}

/** The session is over: whoever has a view open is asked to sign in above it, and what was asked for waits. */
export async function ended(signal?: AbortSignal): Promise<void> {
  token = null;
  if (session.value === "in") session.value = "ended";
  else if (session.value === "unknown") session.value = "out";
  await signedIn(signal);
}

/** A login, a set-up or a refresh brought tokens. */
export function begin(tokens: Tokens): void {
  const before = person.value;
  token = tokens.access_token;
  expiresAt = Date.now() + tokens.expires_in * 1000;
  person.value = tokens.user;
  session.value = "in";
  for (const resume of waiting.splice(0)) resume();
  if (before !== null && before.id !== tokens.user.id) location.assign(document.baseURI); // what is drawn is another's
}

/** Ends the session here and in the other tabs. */
export async function signOut(): Promise<void> {
  const headers: Record<string, string> = token === null ? {} : { authorization: `Bearer ${token}` };
  await post("/v1/auth/logout", { open: true, headers });
  forget("out");
  CHANNEL?.postMessage("out");
}

function forget(state: SessionState): void {
  token = null;
  person.value = state === "ended" ? person.value : null;
  session.value = state;
}

async function refresh(): Promise<boolean> {
  try {
    begin(await post("/v1/auth/refresh", { open: true }));
    return true;
  } catch (error) {
    if (error instanceof Problem && (error.status === 401 || error.status === 403)) return false;
    throw error;
  }
}

/** Two tabs that refresh at once would spend one refresh token twice. */
function oneTabAtATime(work: () => Promise<boolean>): Promise<boolean> {
  const locks = navigator.locks as LockManager | undefined; // only where the page came safely
  if (!locks) return work();
  return locks.request("delta.refresh", work).then((renewed) => renewed);
}

function signedIn(signal?: AbortSignal): Promise<void> {
  if (token !== null) return Promise.resolve();
  return new Promise((resolve, reject) => {
    waiting.push(resolve);
    signal?.addEventListener("abort", () => {
      waiting = waiting.filter((other) => other !== resolve);
      reject(signal.reason);
    });
  });
}

CHANNEL?.addEventListener("message", (event) => {
  if (event.data === "out" && session.value === "in") forget("ended");
  if (event.data === "in" && session.value === "ended") void renew(null);
});

/** Tells other tabs that somebody signed in: those that wait go on by the cookie. */
export function tellTabs(): void {
  CHANNEL?.postMessage("in");
}

/** At the page's load: who is it? Pages that are open to all do without an answer. */
export async function start(isOpen: boolean): Promise<void> {
  try {
    if (await renew(null)) return;
    if (!isOpen && (await get("/v1/setup", { open: true })).needed) go("/setup", { replace: true });
  } catch {
    // Unreachable, which the shell says: a page asks again when it is told to.
  }
  if (session.value === "unknown") session.value = "out";
}
