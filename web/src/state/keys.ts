import { signal } from "@preact/signals";
import { at, go } from "./location.ts";
import { matched, project } from "./project.ts";
import { switchTheme } from "./theme.ts";

export interface Key {
  /** As `KeyboardEvent.key` has it; "g e" is one after the other. */
  keys: string;
  does: string;
  /** Where it works: everywhere, in lists, or on the pages of an endpoint. */
  where: "everywhere" | "go to" | "document" | "compare" | "events";
  /** What it does where the shell does it; the pages themselves handle the others. */
  act?: () => void;
}

export const help = signal(false);
export const searching = signal(false);

/** Every key there is: `?` shows this table, and the shell acts by it. */
export const KEYS: readonly Key[] = [
  { keys: "?", does: "Show these keys", where: "everywhere", act: () => show(help) },
  { keys: "/", does: "Search", where: "everywhere", act: () => show(searching) },
  { keys: "b", does: "What needs you", where: "everywhere", act: ring },
  { keys: "t", does: "Switch between light and dark", where: "everywhere", act: switchTheme },
  { keys: "Esc", does: "Close what lies on top", where: "everywhere" },
  { keys: "j k", does: "Next, previous row", where: "everywhere" },
  { keys: "f", does: "To the filters", where: "everywhere", act: toFilters },
  { keys: "g o", does: "Overview", where: "go to", act: () => inProject() },
  { keys: "g e", does: "Endpoints", where: "go to", act: () => inProject() },
  { keys: "g n", does: "Connect", where: "go to", act: () => inProject("connect") },
  { keys: "g t", does: "Track something", where: "go to", act: () => inProject("track") },
  { keys: "g a", does: "Alerts", where: "go to", act: () => inProject("alerts") },
  { keys: "g d", does: "Document", where: "go to", act: () => inEndpoint() },
  { keys: "g c", does: "Changes", where: "go to", act: () => inEndpoint("changes") },
  { keys: "g f", does: "Fields", where: "go to", act: () => inEndpoint("fields") },
  { keys: "g h", does: "Charts", where: "go to", act: () => inEndpoint("charts") },
  { keys: "g v", does: "Versions", where: "go to", act: () => inEndpoint("versions") },
  { keys: "g p", does: "Polls", where: "go to", act: () => inEndpoint("polls") },
  { keys: "g s", does: "Settings", where: "go to", act: settings },
  { keys: "[ ]", does: "Previous, next change", where: "document" },
  { keys: "{ }", does: "Previous, next version of any kind", where: "document" },
  { keys: ".", does: "The latest version", where: "document" },
  { keys: "p", does: "Play", where: "document" },
  { keys: "+", does: "Play faster", where: "document" },
  { keys: "h", does: "History of the value", where: "document" },
  { keys: "i", does: "Ignore the field", where: "document" },
  { keys: "y Y", does: "Copy the path, the value", where: "document" },
  { keys: "x X", does: "Mark A, B", where: "document" },
  { keys: "c", does: "Compare", where: "document" },
  { keys: "n N", does: "Next, previous hit", where: "document" },
  { keys: "o", does: "All, or what changed", where: "document" },
  { keys: "Space", does: "A long text as a whole", where: "document" },
  { keys: "[ ]", does: "The bucket before, after", where: "events" },
  { keys: "a", does: "Note something of the time", where: "events" },
  { keys: "v", does: "Side by side, or inline", where: "compare" },
  { keys: "[ ]", does: "B to the change before, after it", where: "compare" },
  { keys: ".", does: "B to the latest version", where: "compare" },
  { keys: "o", does: "All, or what changed", where: "compare" },
  { keys: "→ ←", does: "Open, close a record; along a row", where: "compare" },
  { keys: "Home End", does: "First, last row", where: "compare" },
  { keys: "PgDn PgUp", does: "20 rows down, up", where: "compare" },
  { keys: "Space", does: "A text as a whole, a record's rows", where: "compare" },
  { keys: "Enter", does: "The document at that place", where: "compare" },
  { keys: "y Y", does: "Copy the path, the value", where: "compare" },
];

/** After a `g` the second key is waited for so long. */
const CHORD_MS = 1500;
let begun = 0;

/** The shell's keys, wherever the focus is but in inputs, menus and dialogs. Returns what ends that. */
export function listenToKeys(): () => void {
  const press = (event: KeyboardEvent) => {
    if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey || isTyping(event.target)) return;
    const chord = Date.now() - begun < CHORD_MS;
    begun = 0;
    if (event.key === "g" && !chord) {
      begun = Date.now();
      return;
    }
    const act = find(chord ? `g ${event.key}` : event.key);
    if (!act) return;
    event.preventDefault();
    event.stopImmediatePropagation(); // "g h" is no "h" of the page
    act();
  };
  document.addEventListener("keydown", press, true);
  return () => document.removeEventListener("keydown", press, true);
}

function find(keys: string): (() => void) | undefined {
  return KEYS.find((each) => each.keys === keys)?.act;
}

/** Where letters are text: inputs, and layers that have keys of their own. */
export function isTyping(target: EventTarget | null): boolean {
  if (!(target instanceof HTMLElement)) return false;
  const within = target.shadowRoot?.activeElement; // outside of a shadow root its host is the target
  if (within) return isTyping(within);
  return (
    target.isContentEditable ||
    /^(?:INPUT|TEXTAREA|SELECT)$/.test(target.tagName) ||
    target.closest("[role=menu],dialog") !== null
  );
}

function show(layer: { value: boolean }): void {
  layer.value = true;
}

function ring(): void {
  document.querySelector<HTMLElement>(".bell")?.click();
}

/** Where people type what they look for on a page is marked by `data-search`, other filters by `data-filters`. */
function toFilters(): void {
  const places = ["[data-search]", "[data-filters] :is(button, select)"];
  for (const place of places) {
    const found = document.querySelector<HTMLElement>(`main ${place}`);
    if (!found) continue;
    found.focus();
    return;
  }
}

function inProject(...rest: string[]): void {
  if (project.value !== undefined) go(at("p", project.value, ...rest));
}

function inEndpoint(...rest: string[]): void {
  const endpoint = matched.value?.params.endpoint;
  if (endpoint !== undefined) inProject("e", endpoint, ...rest);
}

function settings(): void {
  if (matched.value?.params.endpoint === undefined) inProject("settings");
  else inEndpoint("settings");
}
