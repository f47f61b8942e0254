/** What the bell counts: what is raised, what does not answer, what was turned off, what is full. */

import type { Schemas } from "../api.ts";

export interface Trouble {
  key: string;
  /** Which kind it is of, in a word. */
  kind: "Alert" | "Poll" | "Webhook" | "Quota" | "Backup";
  name: string;
  text: string;
  /** Since when, where that is known. */
  since: string | null;
  /** Where it is mended: the steps of a page's path, and what it is asked. */
  path: readonly string[];
  asked?: Readonly<Record<string, string>>;
}

export interface Found {
  alerts?: readonly Pick<Schemas["Alert"], "id" | "rule" | "rule_id" | "text" | "raised_at">[];
  webhooks?: readonly Pick<Schemas["Webhook"], "id" | "name" | "state" | "disabled_reason" | "failing_since">[];
  polls?: readonly Schemas["FailingEndpoint"][];
  /** Of the instance: for its owners and admins. */
  backups?: Pick<Schemas["BackupState"], "failure">;
  quotas?: readonly Pick<Schemas["Quota"], "name" | "use" | "limit">[];
}

/** What was turned off on purpose is no trouble. */
export function troublesOf(project: string, found: Found): Trouble[] {
  return [
    ...(found.backups?.failure
      ? [
          {
            key: "backup",
            kind: "Backup" as const,
            name: "No backup",
            text: found.backups.failure.reason,
            since: found.backups.failure.since,
            path: ["instance", "backups"],
          },
        ]
      : []),
    ...(found.alerts ?? []).map((alert) => ({
      key: `alert ${alert.id}`,
      kind: "Alert" as const,
      name: alert.rule,
      text: alert.text,
      since: alert.raised_at,
      path: ["p", project, "alerts"],
      asked: { rule: alert.rule_id },
    })),
    ...(found.polls ?? []).map(({ id, name, state, failing_since }) => ({
      key: `poll ${id}`,
      kind: "Poll" as const,
      name,
      text: state === "paused" ? "paused after a day of failures" : "its polls fail",
      since: failing_since,
      path: ["p", project, "e", name, "polls"],
    })),
    ...(found.webhooks ?? []).flatMap((webhook) => {
      const isOff =
        webhook.state === "off" && webhook.disabled_reason !== null && webhook.disabled_reason !== "request";
      if (!isOff && webhook.state !== "failing") return [];
      return [
        {
          key: `webhook ${webhook.id}`,
          kind: "Webhook" as const,
          name: webhook.name,
          text: isOff ? "turned off by the server" : "nothing arrives",
          since: webhook.failing_since,
          path: ["p", project, "connect", "webhooks"],
          asked: { hook: webhook.id },
        },
      ];
    }),
    ...(found.quotas ?? []).flatMap(({ name, use, limit }) =>
      use !== null && limit !== null && limit > 0 && use >= limit
        ? [
            {
              key: `quota ${name}`,
              kind: "Quota" as const,
              name: name.replaceAll("_", " "),
              text: "reached",
              since: null,
              path: ["p", project, "settings", "usage"],
            },
          ]
        : [],
    ),
  ];
}
