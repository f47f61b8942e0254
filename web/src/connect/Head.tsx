import type { ComponentChildren } from "preact";
import { Tabs } from "../parts/Tabs.tsx";
import { has } from "../routes.ts";
import { at, href, path } from "../state/location.ts";

const TABS = [
  ["Ways in", "Connect", ["connect"]],
  ["From services", "Inbound", ["connect", "inbound"]],
  ["Website", "Website", ["connect", "website"]],
  ["Webhooks", "Webhooks", ["connect", "webhooks"]],
  ["Alerts", "Alerts", ["alerts"]],
  ["Anomalies", "Anomalies", ["anomalies"]],
  ["Feeds", "Feeds", ["connect", "feeds"]],
  ["Devices", "Devices", ["devices"]],
  ["Datasets", "Datasets", ["datasets"]],
] as const;

/** Ways in has the others of its address beside it; pages below one of them are part of it. */
function isCurrent(to: string): boolean {
  return path.value === to || (!to.endsWith("/connect") && path.value.startsWith(`${to}/`));
}

/** Over the pages about what comes in and what goes out. */
export function ConnectHead({ project, children }: { project: string; children?: ComponentChildren }) {
  return (
    <div class="head">
      <h1>Connect</h1>
      <Tabs label="Connect" current={path.value}>
        {TABS.filter(([, page]) => has(page)).map(([name, , steps]) => {
          const to = at("p", project, ...steps);
          return (
            <a key={to} href={href(to)} aria-current={isCurrent(to) ? "page" : undefined}>
              {name}
            </a>
          );
        })}
      </Tabs>
      {children ? <div class="acts">{children}</div> : null}
    </div>
  );
}
