import { useState } from "preact/hooks";
import { get, remove, type Schemas } from "../api.ts";
import { Ago } from "../parts/Ago.tsx";
import { Failure } from "../parts/Failure.tsx";
import { Loading } from "../parts/Loading.tsx";
import { useLoad } from "../state/load.ts";
import { signOut } from "../state/session.ts";

/** Where one is signed in, each with a button that ends it. */
export function Sessions() {
  const { data, error, again } = useLoad((signal) => get("/v1/auth/sessions", { query: { limit: 100 }, signal }), []);
  const [failed, setFailed] = useState<unknown>(null);
  const act = async (work: Promise<unknown>) => {
    setFailed(null);
    try {
      await work;
      again();
    } catch (caught) {
      setFailed(caught);
    }
  };
  const end = (id: string) => void act(remove("/v1/auth/sessions/{session_id}", { path: { session_id: id } }));
  return (
    <section class="card" aria-labelledby="own-sessions">
      <h2 id="own-sessions">Sessions</h2>
      {error ? <Failure tried="Listing sessions" error={error} retry={again} /> : null}
      {failed ? <Failure tried="Ending the session" error={failed} /> : null}
      {data ? <List sessions={data.data} end={end} /> : <Loading />}
      <div class="bar">
        {data && data.data.length > 1 ? (
          <button class="btn" type="button" onClick={() => void act(remove("/v1/auth/sessions"))}>
            End all others
          </button>
        ) : null}
        <button class="btn" type="button" onClick={() => void signOut()}>
          Sign out here
        </button>
      </div>
    </section>
  );
}

/** So many are shown unasked: what else there is about the account stands below. */
const FIRST = 5;

function List({ sessions, end }: { sessions: readonly Schemas["Session"][]; end: (id: string) => void }) {
  const [all, setAll] = useState(false);
  const own = sessions.filter((session) => session.current);
  const others = sessions.filter((session) => !session.current);
  const shown = [...own, ...others].slice(0, all ? sessions.length : FIRST);
  return (
    <ul class="lines">
      {shown.map((session) => (
        <li key={session.id}>
          <div>
            <b>{client(session.client)}</b>
            <small>
              {session.address}, used <Ago at={session.last_used_at} />, signed in <Ago at={session.created_at} />
            </small>
          </div>
          {session.current ? (
            <span class="quiet">this one</span>
          ) : (
            <button
              class="btn"
              type="button"
              aria-label={`End ${client(session.client)}`}
              onClick={() => end(session.id)}
            >
              End
            </button>
          )}
        </li>
      ))}
      {shown.length < sessions.length ? (
        <li>
          <button class="btn ghost" type="button" onClick={() => setAll(true)}>
            Show all {sessions.length}
          </button>
        </li>
      ) : null}
    </ul>
  );
}

const BROWSERS = [
  [/\bEdg\//, "Edge"],
  [/\bFirefox\//, "Firefox"],
  [/Chrome\//, "Chrome"],
  [/\bSafari\//, "Safari"],
] as const;
const SYSTEMS = [
  [/Android/, "Android"],
  [/iPhone|iPad/, "iOS"],
  [/Windows/, "Windows"],
  [/Mac OS/, "macOS"],
  [/Linux/, "Linux"],
] as const;

/** "Firefox on Linux" of a user agent, or what it begins with. */
export function client(agent: string): string {
  const browser = BROWSERS.find(([pattern]) => pattern.test(agent))?.[1];
  const system = SYSTEMS.find(([pattern]) => pattern.test(agent))?.[1];
  if (browser && system) return `${browser} on ${system}`;
  return browser ?? (agent.slice(0, 60) || "A program that did not say its name");
}
