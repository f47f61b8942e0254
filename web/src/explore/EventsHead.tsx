import type { ComponentChildren } from "preact";
import { Tabs } from "../parts/Tabs.tsx";
import { has } from "../routes.ts";
import { at, href, path } from "../state/location.ts";

const TABS = [
  ["Explorer", "Events", []],
  ["Funnels", "Funnels", ["funnels"]],
  ["Retention", "Retention", ["retention"]],
  ["Paths", "Paths", ["paths"]],
  ["Live", "EventsLive", ["live"]],
  ["Types", "EventTypes", ["types"]],
  ["People", "People", ["people"]],
  ["SQL", "Sql", ["sql"]],
  ["Boards", "Boards", ["boards"]],
] as const;

/** Over the pages about events. */
export function EventsHead({ project, children }: { project: string; children?: ComponentChildren }) {
  return (
    <div class="head">
      <h1>Events</h1>
      <Tabs label="Events" current={path.value}>
        {TABS.filter(([, page]) => has(page)).map(([name, , steps]) => {
          const to = at("p", project, "events", ...steps);
          const isHere = path.value === to || (steps.length > 0 && path.value.startsWith(`${to}/`));
          return (
            <a key={to} href={href(to)} aria-current={isHere ? "page" : undefined}>
              {name}
            </a>
          );
        })}
      </Tabs>
      {children ? <div class="acts">{children}</div> : null}
    </div>
  );
}
