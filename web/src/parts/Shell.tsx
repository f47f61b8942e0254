import type { ComponentChildren } from "preact";
import { has } from "../routes.ts";
import { at, href } from "../state/location.ts";
import { matched, project } from "../state/project.ts";
import { person, signOut } from "../state/session.ts";
import { switchTheme } from "../state/theme.ts";
import { Icon, Logo } from "./Icon.tsx";

const SECTIONS = [
  { section: "overview", label: "Overview", page: "Overview", path: [] },
  { section: "events", label: "Events", page: "Events", path: ["events"] },
  { section: "connect", label: "Connect", page: "Connect", path: ["connect"] },
  { section: "settings", label: "Settings", page: "ProjectSettings", path: ["settings"] },
] as const;

/** The bar above every page, and the page under it. */
export function Shell({ children }: { children: ComponentChildren }) {
  return (
    <>
      <header class="top">
        <a class="brand" href={href("/")}>
          <Logo />
          <span>Delta</span>
        </a>
        <Sections />
        <span class="grow" />
        <button class="icon" type="button" aria-label="Switch between light and dark" onClick={switchTheme}>
          <Icon name="theme" />
        </button>
        <button class="who" type="button" aria-label="Sign out" onClick={() => void signOut()}>
          {initials(person.value?.name || person.value?.email || "")}
        </button>
      </header>
      {children}
    </>
  );
}

function Sections() {
  const name = project.value;
  if (name === undefined) return null;
  const endpoint = matched.value?.params.endpoint !== undefined;
  return (
    <nav aria-label="Main">
      {SECTIONS.filter((each) => has(each.page)).map((each) => (
        <a
          key={each.section}
          href={href(at("p", name, ...each.path))}
          aria-current={!endpoint && matched.value?.route.section === each.section ? "page" : undefined}
        >
          {each.label}
        </a>
      ))}
    </nav>
  );
}

/** Two letters that stand for a person: of a name, or of an address. */
export function initials(name: string): string {
  const words = name.split(/[\s@._-]+/).filter(Boolean);
  return ((words[0]?.[0] ?? "?") + (words[1]?.[0] ?? "")).toUpperCase();
}
