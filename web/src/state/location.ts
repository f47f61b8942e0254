import { computed, signal } from "@preact/signals";
import { segment } from "../segment.ts";

/** Where the dashboard stands below the server's address, with a slash at its end: "/" or "/delta/". */
export const BASE = new URL(document.baseURI).pathname;

export interface Address {
  /** Below the base, decoded by nobody: "/p/demo/e/quakes". */
  path: string;
  search: string;
  hash: string;
}

const current = signal<Address>(read());

/** The address as it is. Everything that a link should carry is in it; folds and scroll are in `history.state`. */
export const address = computed(() => current.value);
export const path = computed(() => current.value.path);
export const query = computed(() => new URLSearchParams(current.value.search));

/** Goes to an address below the base. `replace` is for what a finger or pointer still moves. */
export function go(to: string, options: { replace?: boolean } = {}): void {
  const url = href(to);
  if (url === location.pathname + location.search + location.hash) return;
  if (options.replace) history.replaceState(history.state, "", url);
  else history.pushState(null, "", url);
  const before = current.value.path;
  current.value = read();
  if (!options.replace && before !== current.value.path) scrollTo(0, 0);
}

/** An address below the base as the browser wants it, for `href`. */
export function href(to: string): string {
  return BASE + to.replace(/^\//, "");
}

/** Changes parts of the query. What is undefined or null or "" goes, so defaults stay out of the address. */
export function setQuery(
  changes: Record<string, string | null | undefined>,
  options: { replace?: boolean } = {},
): void {
  go(withQuery(current.value, changes), options);
}

/** The present page with some of its query changed: for links. */
export function withQuery(from: Address, changes: Record<string, string | null | undefined>): string {
  const asked = new URLSearchParams(from.search);
  for (const [name, value] of Object.entries(changes)) {
    if (value === undefined || value === null || value === "") asked.delete(name);
    else asked.set(name, value);
  }
  const text = asked.toString();
  return from.path + (text ? `?${text}` : "") + from.hash;
}

/** A path of segments that may hold any character: at("p", project, "e", endpoint). */
export function at(...segments: string[]): string {
  return `/${segments.map(segment).join("/")}`;
}

/** Lets links to the dashboard's own addresses change the view without a load. Returns what stops that. */
export function listen(): () => void {
  const follow = (event: MouseEvent) => {
    const to = followed(event);
    if (to === null) return;
    event.preventDefault();
    go(to);
    if (to.includes("#")) reveal(to.slice(to.indexOf("#") + 1));
  };
  const back = () => {
    current.value = read();
  };
  document.addEventListener("click", follow);
  addEventListener("popstate", back);
  return () => {
    document.removeEventListener("click", follow);
    removeEventListener("popstate", back);
  };
}

/** The address that a click asks for, or null where the browser is to follow it. */
function followed(event: MouseEvent): string | null {
  if (event.defaultPrevented || event.button !== 0 || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey)
    return null;
  const link = (event.target as Element | null)?.closest?.("a[href]");
  if (!(link instanceof HTMLAnchorElement)) return null;
  if (link.target || link.hasAttribute("download") || link.origin !== location.origin) return null;
  const written = link.getAttribute("href") ?? "";
  if (written.startsWith("#")) return current.peek().path + current.peek().search + written; // <base> means another page
  const below = link.pathname.startsWith(BASE) ? `/${link.pathname.slice(BASE.length)}` : null;
  if (below === null || /^\/(v1|docs|api)(\/|$)/.test(below)) return null;
  if (isShared(current.peek().path) && !isShared(below)) return null; // what other sites may frame is that page alone
  return below + link.search + link.hash;
}

function isShared(below: string): boolean {
  return below.startsWith("/shared/");
}

/** Brings a part of the page into view, and the focus with it. */
export function reveal(id: string): void {
  const part = document.getElementById(id);
  if (!part) return;
  if (part.tabIndex < 0) part.tabIndex = -1;
  part.focus();
  part.scrollIntoView({ block: "start" });
}

/** Who goes on by Tab is at the begin of the page. */
export function focusMain(): void {
  const main = document.getElementById("main");
  if (!main) return;
  main.tabIndex = -1;
  main.focus({ preventScroll: true });
}

function read(): Address {
  const below = location.pathname.startsWith(BASE) ? location.pathname.slice(BASE.length) : "";
  return { path: `/${below}`, search: location.search, hash: location.hash };
}
