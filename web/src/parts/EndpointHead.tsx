import type { ComponentChildren, VNode } from "preact";

import { has } from "../routes";
import { at, href } from "../state/location";
import { Tabs } from "./Tabs.tsx";

const TABS = [
  ["document", "Document", "Document", []],
  ["changes", "Changes", "Changes", ["changes"]],
  ["fields", "Fields", "Fields", ["fields"]],
  ["schema", "Schema", "Schema", ["schema"]],
  ["charts", "Charts", "Charts", ["charts"]],
  ["versions", "Versions", "Versions", ["versions"]],
  ["polls", "Polls", "Polls", ["polls"]],
  ["settings", "Settings", "EndpointSettings", ["settings"]],
] as const;

export interface EndpointHeadProps {
  project: string;
  endpoint: string;
  section: string;
  /** Numbers that stand beside the names of tabs. */
  counts?: Partial<Record<string, number | undefined>>;
  /** The page's own buttons. */
  children?: ComponentChildren;
}

/** Which endpoint this is, its pages, and what can be done here. */
export function EndpointHead({ project, endpoint, section, counts = {}, children }: EndpointHeadProps): VNode {
  return (
    <div class="head">
      <h1>
        <a href={href(at("p", project))}>Endpoints</a>
        <span aria-hidden="true">/</span>
        <bdi title={endpoint}>{endpoint}</bdi>
      </h1>
      <Tabs label="Endpoint" current={section}>
        {TABS.filter(([, , page]) => has(page)).map(([name, label, , path]) => (
          <a
            key={name}
            href={href(at("p", project, "e", endpoint, ...path))}
            aria-current={name === section ? "page" : undefined}
          >
            {label}
            {counts[name] !== undefined && <span>{counts[name]?.toLocaleString()}</span>}
          </a>
        ))}
      </Tabs>
      <div class="acts">{children}</div>
    </div>
  );
}
