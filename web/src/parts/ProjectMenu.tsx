import { get } from "../api.ts";
import { has } from "../routes.ts";
import { useLoad } from "../state/load.ts";
import { at, href } from "../state/location.ts";
import { matched, project } from "../state/project.ts";
import { Icon } from "./Icon.tsx";
import { Menu, MenuLink } from "./Menu.tsx";

const SECTIONS = [
  { section: "overview", label: "Overview", page: "Overview", path: [] },
  { section: "events", label: "Events", page: "Events", path: ["events"] },
  { section: "connect", label: "Connect", page: "Connect", path: ["connect"] },
  { section: "settings", label: "Settings", page: "ProjectSettings", path: ["settings"] },
] as const;
const SHOWN = SECTIONS.filter((each) => has(each.page));
/** More than a menu holds: the page of projects lists them all. */
const MOST = 12;

/** The project that is open, and the others; on narrow screens the project's sections too. */
export function ProjectMenu() {
  const name = project.value;
  return (
    <Menu
      class="project"
      name={name === undefined ? "Projects" : `Project ${name}`}
      button={
        <>
          <span>{name ?? "Projects"}</span>
          <Icon name="down" />
        </>
      }
    >
      {name === undefined ? null : (
        <div class="only-narrow">
          {SHOWN.map((each) => (
            <MenuLink key={each.section} href={href(at("p", name, ...each.path))} current={isCurrent(each.section)}>
              {each.label}
            </MenuLink>
          ))}
          <hr />
        </div>
      )}
      <Others name={name} />
    </Menu>
  );
}

function Others({ name }: { name: string | undefined }) {
  const { data } = useLoad((signal) => get("/v1/projects", { query: { limit: MOST }, signal }), []);
  return (
    <>
      {data?.data.map((each) => (
        <MenuLink key={each.id} href={href(at("p", each.name))} current={each.name === name}>
          {each.name}
        </MenuLink>
      ))}
      {data ? <hr /> : null}
      <MenuLink href={href("/projects")}>{data?.has_more ? "All projects" : "Projects and new ones"}</MenuLink>
    </>
  );
}

function isCurrent(section: string): boolean {
  return matched.value?.params.endpoint === undefined && matched.value?.route.section === section;
}

export function Sections() {
  const name = project.value;
  if (name === undefined) return null;
  return (
    <nav aria-label="Main">
      {SHOWN.map((each) => (
        <a
          key={each.section}
          href={href(at("p", name, ...each.path))}
          aria-current={isCurrent(each.section) ? "page" : undefined}
        >
          {each.label}
        </a>
      ))}
    </nav>
  );
}
