import type { ComponentChildren } from "preact";
import { Tabs } from "../parts/Tabs.tsx";
import { has } from "../routes.ts";
import { at, href, path } from "../state/location.ts";
import { may } from "../state/may.ts";
import { person } from "../state/session.ts";
import "./settings.css";

export interface Tab {
  name: string;
  page: string;
  to: string;
}

const TABS = [
  ["General", "ProjectSettings", []],
  ["Keys", "Keys", ["keys"], "keys:admin"],
  ["Members", "Members", ["members"]],
  ["Usage", "Usage", ["usage"]],
  ["Audit log", "Audit", ["audit"], "audit:admin"],
] as const;

/** The pages of a project's settings, with their tabs. */
export function ProjectFrame({ project, children }: { project: string; children: ComponentChildren }) {
  const tabs = TABS.filter(([, , , scope]) => scope === undefined || may(scope)).map(([name, page, steps]) => ({
    name,
    page,
    to: at("p", project, "settings", ...steps),
  }));
  return (
    <Frame title="Settings" tabs={tabs}>
      {children}
    </Frame>
  );
}

/** The pages about the whole server. */
export function InstanceFrame({ children }: { children: ComponentChildren }) {
  const runs = person.value?.role !== "member";
  const tabs = [
    { name: "Projects", page: "Projects", to: "/projects" },
    { name: "Users", page: "Users", to: "/instance/users" },
    { name: "Server", page: "Instance", to: "/instance" },
    { name: "Backups", page: "Backups", to: "/instance/backups" },
  ];
  return (
    <Frame title={runs ? "Instance" : "Your projects"} tabs={runs ? tabs : []}>
      {children}
    </Frame>
  );
}

function Frame({ title, tabs, children }: { title: string; tabs: readonly Tab[]; children: ComponentChildren }) {
  return (
    <main id="main" class="wrap settings">
      <div class="head">
        <h1>{title}</h1>
        <Tabs label={title} current={path.value}>
          {tabs
            .filter((tab) => has(tab.page))
            .map((tab) => (
              <a key={tab.to} href={href(tab.to)} aria-current={path.value === tab.to ? "page" : undefined}>
                {tab.name}
              </a>
            ))}
        </Tabs>
      </div>
      {children}
    </main>
  );
}

/** A part of a page of settings: what it is about, what it does, and that itself. */
export function Part({
  title,
  lead,
  acts,
  id,
  children,
}: {
  title: string;
  lead?: ComponentChildren;
  acts?: ComponentChildren;
  id?: string;
  children: ComponentChildren;
}) {
  return (
    <section class="setting" id={id} aria-label={title}>
      <header>
        <div>
          <h2>{title}</h2>
          {lead ? <p class="quiet">{lead}</p> : null}
        </div>
        {acts ? <div class="acts">{acts}</div> : null}
      </header>
      {children}
    </section>
  );
}
