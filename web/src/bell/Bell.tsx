import { useEffect, useRef, useState } from "preact/hooks";
import { get } from "../api.ts";
import { counted } from "../numbers.ts";
import { Ago } from "../parts/Ago.tsx";
import { Icon } from "../parts/Icon.tsx";
import { Menu, MenuLink } from "../parts/Menu.tsx";
import { announce } from "../state/announce.ts";
import { failing } from "../state/failing.ts";
import { at, href } from "../state/location.ts";
import { may } from "../state/may.ts";
import { person } from "../state/session.ts";
import { useStream } from "../state/stream.ts";
import { type Found, type Trouble, troublesOf } from "./troubles.ts";

/** After news it is asked again so late: what comes in a row is asked for once. */
const SETTLED_MS = 1500;
/** And without any, for what no news tells of. */
const AGAIN_MS = 120_000;
const MOST = 50;
/** What decides of which troubles the reader is told. */
const SEEN = ["alerts:read", "webhooks:read", "endpoints:read", "projects:read"] as const;

/** Counts what needs somebody, and lists it with where it is mended. */
export default function Bell({ project }: { project: string }) {
  const { troubles, look, begun } = useTroubles(project);
  useStream(project, ["polls", "alerts", "quotas", "webhooks"], look, { isAside: true, begun });
  const said = troubles.length === 0 ? "nothing needs you" : `${counted(troubles.length, "thing")} to look at`;
  return (
    <div class="bell-box">
      <Menu
        class="icon bell"
        name={`Bell: ${said}`}
        button={
          <>
            <Icon name="bell" />
            {troubles.length > 0 ? <b>{troubles.length > 99 ? "99+" : troubles.length}</b> : null}
          </>
        }
      >
        <p class="popup-head">
          <b>{troubles.length === 0 ? "Nothing needs you" : said}</b>
        </p>
        {troubles.length === 0 ? <MenuLink href={href(at("p", project, "alerts"))}>Alerts</MenuLink> : null}
        {troubles.slice(0, MOST).map((trouble) => (
          <MenuLink key={trouble.key} href={href(addressOf(trouble))}>
            <b>{trouble.name}</b> {trouble.text}
            <small>
              {trouble.kind}
              {trouble.since ? (
                <>
                  , <Ago at={trouble.since} />
                </>
              ) : null}
            </small>
          </MenuLink>
        ))}
        {troubles.length > MOST ? <p class="popup-head quiet">and {troubles.length - MOST} more</p> : null}
      </Menu>
    </div>
  );
}

function addressOf({ path, asked }: Trouble): string {
  return at(...path) + (asked ? `?${new URLSearchParams(asked)}` : "");
}

/** Asked when the stream has `begun`, so that nothing is missed between the two, and soon without it; then a moment
 * after news, which `look` tells of, and now and then. */
function useTroubles(project: string) {
  const [troubles, setTroubles] = useState<readonly Trouble[]>([]);
  const timer = useRef<ReturnType<typeof setTimeout>>(undefined);
  const control = useRef<AbortController | null>(null);
  const heardOf = useRef("");
  const ask = async () => {
    control.current?.abort();
    const own = new AbortController();
    control.current = own;
    const found = await asked(project, own.signal);
    if (own.signal.aborted) return;
    failing.value = new Map(found.polls?.map((one) => [one.id, one]));
    const now = troublesOf(project, found);
    setTroubles((before) => {
      if (now.length > before.length) announce(`${counted(now.length, "thing")} to look at: ${now[0]?.name}`);
      return now;
    });
  };
  const look = () => {
    clearTimeout(timer.current);
    timer.current = setTimeout(() => void ask(), SETTLED_MS);
  };
  const begun = () => {
    heardOf.current = project;
    clearTimeout(timer.current);
    void ask();
  };
  const seen = SEEN.map(may).join(); // of members known a moment later
  useEffect(() => {
    setTroubles([]);
    failing.value = new Map();
    if (heardOf.current === project) void ask();
    else look();
    const again = setInterval(() => document.visibilityState === "visible" && void ask(), AGAIN_MS);
    return () => {
      clearInterval(again);
      clearTimeout(timer.current);
      control.current?.abort();
    };
  }, [project, seen]);
  return { troubles, look, begun };
}

/** What somebody may not see, or what fails, is left out. */
async function asked(project: string, signal: AbortSignal): Promise<Found> {
  const sent = { in: project, signal };
  const or = <T,>(isAllowed: boolean, fetched: () => Promise<T>): Promise<T | undefined> =>
    isAllowed ? fetched().catch(() => undefined) : Promise.resolve(undefined);
  const [alerts, webhooks, polls, usage, backups] = await Promise.all([
    or(may("alerts:read"), () => get("/v1/alerts", { ...sent, query: { state: "raised", limit: MOST + 1 } })),
    or(may("webhooks:read"), () => get("/v1/webhooks", sent)),
    or(may("endpoints:read"), () => get("/v1/polls/failing", { ...sent, query: { limit: 100 } })),
    or(may("projects:read"), () => get("/v1/projects/{project_id}/usage", { path: { project_id: project }, signal })),
    or(person.value !== null && person.value.role !== "member", () => get("/v1/backups/state", { signal })),
  ]);
  return { alerts: alerts?.data, webhooks: webhooks?.data, polls: polls?.data, quotas: usage?.quotas, backups };
}
