import { signal } from "@preact/signals";

export type Theme = "light" | "dark";
const KEY = "delta.theme";
const root = document.documentElement;
const system = matchMedia("(prefers-color-scheme: dark)");

/** What public/theme.js set before the first paint; charts draw anew when it changes. */
export const theme = signal<Theme>(root.dataset.theme === "dark" ? "dark" : "light");

/** Turns to the other theme. Back at the system's own choice nothing is saved, and it is followed again. */
export function switchTheme(): void {
  const next: Theme = theme.value === "dark" ? "light" : "dark";
  try {
    if ((next === "dark") === system.matches) localStorage.removeItem(KEY);
    else localStorage.setItem(KEY, next);
  } catch {
    // Storage may be off: the choice lasts as long as the page.
  }
  set(next);
}

function set(next: Theme): void {
  theme.value = next;
  root.dataset.theme = next;
}

function saved(): string | null {
  try {
    return localStorage.getItem(KEY);
  } catch {
    return null;
  }
}

system.addEventListener("change", () => {
  if (saved() === null) set(system.matches ? "dark" : "light");
});
