/** What is known of services that send webhooks: how they sign, where they ask for an address, lines that enter it. */

import type { Schemas } from "../api.ts";
import { quoted } from "./lines.ts";

export type Verify = Schemas["VerificationShown"];
export type Scheme = Verify["scheme"];

interface Sender {
  name: string;
  /** Where its secret comes from; null where it has none. */
  secret: string | null;
  /** It shows its secret only when it has the address. */
  isLater?: true;
  /** Where it takes the address. */
  where: string;
}

export const SENDERS: Readonly<Record<Scheme, Sender>> = {
  none: { name: "Anything, unsigned", secret: null, where: "Whoever has the address may send to it." },
  github: {
    name: "GitHub, Gitea",
    secret: "Make one up, and enter the same there.",
    where: "In the repository: Settings, Webhooks, Add webhook. Content type application/json, and the same secret.",
  },
  stripe: {
    name: "Stripe",
    secret: "whsec_…, shown there once it has the address.",
    isLater: true,
    where: "In Developers, Webhooks, Add endpoint. It then shows the signing secret.",
  },
  slack: {
    name: "Slack",
    secret: "The signing secret, under Basic Information of the app.",
    where: "In the app: Event Subscriptions, Request URL. It is verified at once.",
  },
  shopify: {
    name: "Shopify",
    secret: "The app’s secret, or what Settings, Notifications, Webhooks shows.",
    where: "In Settings, Notifications, Webhooks, Create webhook. Format JSON.",
  },
  standard: {
    name: "Standard Webhooks, Svix",
    secret: "whsec_…, shown there once it has the address.",
    isLater: true,
    where: "Where it asks for an endpoint’s URL. It then shows the secret.",
  },
  hmac: {
    name: "Another that signs (HMAC)",
    secret: "As entered there.",
    where: "Where it asks for the URL of a webhook.",
  },
};

export const SCHEMES = Object.keys(SENDERS) as Scheme[];

/** The address as it brings snapshots, or events. */
export function asEvents(url: string, events: boolean): string {
  return events ? `${url}?as=event` : url;
}

/** Lines for a shell that enter the address at the sender, or send a first delivery; null where it has no such way. */
export function senderLines(
  verify: Pick<Verify, "scheme" | "header" | "algorithm" | "encoding" | "prefix">,
  url: string,
) {
  const to = quoted(url);
  switch (verify.scheme) {
    case "github":
      return [
        "gh api repos/OWNER/REPO/hooks -f name=web -f 'events[]=push' \\",
        `  -f ${quoted(`config[url]=${url}`)} \\`,
        `  -f 'config[content_type]=json' -f "config[secret]=$SECRET"`,
      ].join("\n");
    case "stripe":
      return [
        `curl https://api.stripe.com/v1/webhook_endpoints -u "$STRIPE_KEY:" \\`,
        `  -d 'enabled_events[]=*' --data-urlencode ${quoted(`url=${url}`)}`,
      ].join("\n");
    case "none":
      return `curl ${to} -H 'Content-Type: application/json' -d '{"temperature": 21.5}'`;
    case "hmac":
      return hmacLines(verify, to);
    default:
      return null;
  }
}

function hmacLines(
  { header, algorithm, encoding, prefix }: Omit<Verify, "scheme" | "id_header" | "has_secret">,
  to: string,
) {
  const digest =
    encoding === "hex"
      ? `openssl dgst -${algorithm} -hmac "$SECRET" -r | cut -d ' ' -f 1`
      : `openssl dgst -${algorithm} -hmac "$SECRET" -binary | openssl base64 -A`;
  return [
    `body='{"temperature": 21.5}'`,
    `signed=$(printf %s "$body" | ${digest})`,
    `curl ${to} -H 'Content-Type: application/json' \\`,
    `  -H ${quoted(`${header}: ${prefix}`)}"$signed" -d "$body"`,
  ].join("\n");
}
