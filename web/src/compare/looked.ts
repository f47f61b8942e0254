// When this browser last looked at an endpoint: what "since I last looked" goes back to.

const KEY = "delta.looked.";
const MOST = 200;
/** Looks that follow each other so closely are one visit: what was new when it began is new until it ends. */
const VISIT_MS = 1_800_000;

interface Look {
  /** The newest version that was seen, by its time. */
  at: string;
  /** The same of the visit before; null of the first. */
  before: string | null;
  /** When that was. */
  ms: number;
}

/** The version that was newest when this browser last visited the endpoint, by its time; null where it never did. */
export function lastLooked(project: string, endpoint: string, nowMs = Date.now()): string | null {
  const look = read(project, endpoint);
  if (!look) return null;
  return nowMs - look.ms < VISIT_MS ? look.before : look.at;
}

/** Remembers the newest version that was seen; of no more than so many endpoints. */
export function looked(project: string, endpoint: string, at: string, nowMs = Date.now()): void {
  const look = read(project, endpoint);
  const before = lastLooked(project, endpoint, nowMs);
  const newest = look && look.at > at ? look.at : at;
  try {
    const names = Object.keys(localStorage).filter((name) => name.startsWith(KEY));
    if (names.length >= MOST) for (const name of names.slice(0, names.length - MOST + 1)) localStorage.removeItem(name);
    localStorage.setItem(nameOf(project, endpoint), JSON.stringify({ at: newest, before, ms: nowMs } satisfies Look));
  } catch {
    // Storage may be off or full: the next comparison offers one preset less.
  }
}

function read(project: string, endpoint: string): Look | null {
  try {
    const text = localStorage.getItem(nameOf(project, endpoint));
    if (!text) return null;
    const found: unknown = text.startsWith("{") ? JSON.parse(text) : { at: text, before: null, ms: 0 };
    const { at, before, ms } = found as Partial<Look>;
    return typeof at === "string" && typeof ms === "number" ? { at, before: before ?? null, ms } : null;
  } catch {
    return null; // storage may be off, or hold what another version wrote
  }
}

function nameOf(project: string, endpoint: string): string {
  return `${KEY}${project}/${endpoint}`;
}
