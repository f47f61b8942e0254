// When this browser last looked at an endpoint: what "since I last looked" goes back to.

const KEY = "delta.looked.";
const MOST = 200;

/** The version that was newest then, by its time. */
export function lastLooked(project: string, endpoint: string): string | null {
  try {
    return localStorage.getItem(nameOf(project, endpoint));
  } catch {
    return null; // storage may be off
  }
}

/** Remembers the newest version that was seen; of no more than so many endpoints. */
export function looked(project: string, endpoint: string, at: string): void {
  try {
    const names = Object.keys(localStorage).filter((name) => name.startsWith(KEY));
    if (names.length >= MOST) for (const name of names.slice(0, names.length - MOST + 1)) localStorage.removeItem(name);
    localStorage.setItem(nameOf(project, endpoint), at);
  } catch {
    // As above, or full: the next comparison offers one preset less.
  }
}

function nameOf(project: string, endpoint: string): string {
  return `${KEY}${project}/${endpoint}`;
}
