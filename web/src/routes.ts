import type { ComponentType } from "preact";
import { nameIn } from "./segment.ts";

/** A page's parameters: what `:name` in its pattern stands for, decoded. */
export type Params = Readonly<Record<string, string>>;

export interface Route {
  pattern: string;
  /** The file in `pages/` whose default export is drawn. */
  page: string;
  /** Works without a session. */
  open?: boolean;
  /** The part of the project's menu it belongs to, or of an endpoint's tabs. */
  section?: string;
}

const ENDPOINT = "/p/:project/e/:endpoint";

/** All addresses. The first that fits counts. */
export const ROUTES: readonly Route[] = [
  { pattern: "/", page: "Home" },
  { pattern: "/signin", page: "SignIn", open: true },
  { pattern: "/setup", page: "SetUp", open: true },
  { pattern: "/register", page: "Register", open: true },
  { pattern: "/forgot", page: "Forgot", open: true },
  { pattern: "/link", page: "Link", open: true },
  { pattern: "/invite/:token", page: "Link", open: true },
  { pattern: "/reset/:token", page: "Link", open: true },
  { pattern: "/shared/:link", page: "Shared", open: true },
  { pattern: "/account", page: "Account" },
  { pattern: "/projects", page: "Projects" },
  { pattern: "/instance", page: "Instance" },
  { pattern: "/instance/users", page: "Users" },
  { pattern: "/instance/backups", page: "Backups" },
  { pattern: "/p/:project", page: "Overview", section: "overview" },
  { pattern: "/p/:project/events", page: "Events", section: "events" },
  { pattern: "/p/:project/events/live", page: "EventsLive", section: "events" },
  { pattern: "/p/:project/events/sql", page: "Sql", section: "events" },
  { pattern: "/p/:project/events/people", page: "People", section: "events" },
  { pattern: "/p/:project/events/people/:person", page: "Person", section: "events" },
  { pattern: "/p/:project/events/funnels", page: "Funnels", section: "events" },
  { pattern: "/p/:project/events/retention", page: "Retention", section: "events" },
  { pattern: "/p/:project/events/paths", page: "Paths", section: "events" },
  { pattern: "/p/:project/events/types", page: "EventTypes", section: "events" },
  { pattern: "/p/:project/events/types/:type", page: "EventType", section: "events" },
  { pattern: "/p/:project/events/boards", page: "Boards", section: "events" },
  { pattern: "/p/:project/events/boards/:board", page: "Board", section: "events" },
  { pattern: "/p/:project/track", page: "Track", section: "overview" },
  { pattern: "/p/:project/connect", page: "Connect", section: "connect" },
  { pattern: "/p/:project/connect/inbound", page: "Inbound", section: "connect" },
  { pattern: "/p/:project/connect/website", page: "Website", section: "connect" },
  { pattern: "/p/:project/connect/feeds", page: "Feeds", section: "connect" },
  { pattern: "/p/:project/alerts", page: "Alerts", section: "connect" },
  { pattern: "/p/:project/anomalies", page: "Anomalies", section: "connect" },
  { pattern: "/p/:project/datasets", page: "Datasets", section: "connect" },
  { pattern: "/p/:project/devices", page: "Devices", section: "connect" },
  { pattern: "/p/:project/devices/records", page: "Records", section: "connect" },
  { pattern: "/p/:project/connect/webhooks", page: "Webhooks", section: "connect" },
  { pattern: "/p/:project/settings", page: "ProjectSettings", section: "settings" },
  { pattern: "/p/:project/settings/keys", page: "Keys", section: "settings" },
  { pattern: "/p/:project/settings/members", page: "Members", section: "settings" },
  { pattern: "/p/:project/settings/usage", page: "Usage", section: "settings" },
  { pattern: "/p/:project/settings/audit", page: "Audit", section: "settings" },
  { pattern: ENDPOINT, page: "Document", section: "document" },
  { pattern: `${ENDPOINT}/changes`, page: "Changes", section: "changes" },
  { pattern: `${ENDPOINT}/fields`, page: "Fields", section: "fields" },
  { pattern: `${ENDPOINT}/schema`, page: "Schema", section: "schema" },
  { pattern: `${ENDPOINT}/charts`, page: "Charts", section: "charts" },
  { pattern: `${ENDPOINT}/versions`, page: "Versions", section: "versions" },
  { pattern: `${ENDPOINT}/polls`, page: "Polls", section: "polls" },
  { pattern: `${ENDPOINT}/compare`, page: "Compare", section: "compare" },
  { pattern: `${ENDPOINT}/settings`, page: "EndpointSettings", section: "settings" },
];

export interface Match {
  route: Route;
  params: Params;
}

/** What a page is called: "Changes · quakes · seismology". */
export function titleOf({ route, params }: Match): string {
  const words = route.page.replace(/(?<=[a-z])(?=[A-Z])/g, " ");
  const page = words[0] + words.slice(1).toLowerCase();
  return [page, params.endpoint, params.project].filter(Boolean).join(" · ");
}

/** The route of a path, or null where there is none. */
export function match(path: string): Match | null {
  const asked = path.replace(/(?<=.)\/+$/, "").split("/");
  for (const route of ROUTES) {
    const params = fit(route.pattern.split("/"), asked);
    if (params) return { route, params };
  }
  return null;
}

function fit(pattern: string[], asked: string[]): Params | null {
  if (pattern.length !== asked.length) return null;
  const params: Record<string, string> = {};
  for (const [place, wanted] of pattern.entries()) {
    const given = asked[place] ?? "";
    if (!wanted.startsWith(":")) {
      if (wanted !== given) return null;
      continue;
    }
    try {
      params[wanted.slice(1)] = nameIn(given);
    } catch {
      return null; // a percent sign that encodes nothing
    }
    if (!given) return null;
  }
  return params;
}

export interface PageProps {
  params: Params;
}

const FILES = import.meta.glob<{ default: ComponentType<PageProps> }>("./pages/*.tsx");

/** Loads a page's chunk; null where this build has no such page. */
export function load(page: string): Promise<{ default: ComponentType<PageProps> }> | null {
  return FILES[`./pages/${page}.tsx`]?.() ?? null;
}

/** Whether this build has the page: the shell offers no link to one that it lacks. */
export function has(page: string): boolean {
  return `./pages/${page}.tsx` in FILES;
}
