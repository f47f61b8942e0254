import type { Schemas } from "../api.ts";
import { stringEnd } from "../compare/exact.ts";
import { roughly } from "../time/clock.ts";

export type Webhook = Schemas["Webhook"];
export type Delivery = Schemas["DeliveryItem"];
export type DeliveryDetail = Schemas["DeliveryDetail"];
export type Attempt = Schemas["AttemptItem"];
export type Kind = Exclude<NonNullable<Schemas["NewTest"]["type"]>, "webhook.test">;

/** What can be sent, as the server's own list has it: a type without its words does not build. */
export const KINDS: Record<Kind, string> = {
  "delta.created": "A document changed, with its fields",
  "delta.significant": "Values changed, not only order, form or what is ignored",
  "field.changed": "A field changed, with its values",
  "snapshot.created": "A new document was stored",
  "snapshot.unchanged": "The same document came again",
  "endpoint.created": "An endpoint came",
  "endpoint.updated": "Its settings were changed",
  "endpoint.deleted": "An endpoint was deleted",
  "endpoint.restored": "It was taken back",
  "event.created": "Events came, in batches",
  "poll.failed": "A source does not answer as it should",
  "poll.recovered": "It answers again",
  "alert.raised": "A rule raised an alert",
  "alert.cleared": "An alert is over",
  "alert.digest": "Alerts of an hour or a day, together",
  "anomaly.found": "Something is unusual, which nobody asked to look for",
  "schema.changed": "The schema of a document, or of events, became wider",
  "schema.violated": "A document that does not fit was stored, with a warning",
  "quota.exceeded": "A quota of the plan was reached",
  "webhook.disabled": "A webhook was turned off by the server",
};

/** The shape that stands for a state: its class, and its word. */
export function deliveryShape({ state, attempts }: Delivery): [shape: string, word: string] {
  switch (state) {
    case "delivered":
      return attempts.includes("x") ? ["late", "arrived late"] : ["ok", "arrived"];
    case "failed":
      return ["failed", "failed, tried again"];
    case "dead":
      return ["failed", "given up"];
    case "cancelled":
      return ["muted", "cancelled"];
    default:
      return ["", "waiting"];
  }
}

export function webhookShape({ state }: Webhook): [shape: string, word: string] {
  return state === "on" ? ["ok", "on"] : state === "failing" ? ["failed", "failing"] : ["muted", "off"];
}

/** "212 ms", "5.4 s", "35 min". */
export function took(ms: number): string {
  if (ms < 1000) return `${ms} ms`;
  return ms < 60_000 ? `${(ms / 1000).toFixed(1)} s` : roughly(ms);
}

const CLASSES: Record<string, string> = {
  address: "no address to send to",
  blocked: "not allowed to connect there",
  dns: "name not found",
  connection: "no connection",
  tls: "TLS failed",
  timeout: "no answer in time",
  protocol: "no valid answer",
  "too large": "too large an answer",
  redirect: "a redirect, which is not followed",
};

/** What came of an attempt: its status, or why there is none. */
export function outcome({ status, class: failure }: Pick<Attempt, "status" | "class">): string {
  if (status !== null) return String(status);
  return failure === null ? "arrived" : (CLASSES[failure] ?? failure);
}

const OFF: Record<string, string> = {
  request: "It was turned off.",
  gone: "Its receiver answered 410 (Gone), which means: send nothing more.",
  failing: "Nothing arrived for five days.",
  rights: "Who made it, or last changed it, may not any more: whoever saves it anew answers for it.",
};

export function offText(reason: string | null): string {
  return OFF[reason ?? "request"] ?? `It was turned off: ${reason}.`;
}

/** As a command of the shell: who debugs a receiver sends it again from there. */
export function curl({ method, url, headers, body }: Schemas["RequestShown"]): string {
  const quoted = (text: string) => `'${text.replaceAll("'", "'\\''")}'`;
  const lines = Object.entries(headers).map(([name, value]) => `-H ${quoted(`${name}: ${value}`)}`);
  return [`curl -X ${method} ${quoted(url)}`, ...lines, `--data-raw ${quoted(body)}`].join(" \\\n  ");
}

/** JSON with a line a member, its values as they are written; what is no JSON stays as it is. */
export function indented(text: string): string {
  if (!/^\s*[[{]/.test(text)) return text;
  let [out, depth] = ["", 0];
  for (let at = 0; at < text.length; at++) {
    const char = text[at] as string;
    if (char === '"') {
      const end = stringEnd(text, at);
      out += text.slice(at, end);
      at = end - 1;
    } else if ("[{".includes(char)) {
      const isEmpty = /^\s*[\]}]/.test(text.slice(at + 1, at + 20));
      depth += 1;
      out += isEmpty ? char : `${char}\n${"  ".repeat(depth)}`;
    } else if ("]}".includes(char)) {
      depth -= 1;
      out += /[[{]$/.test(out) ? char : `\n${"  ".repeat(Math.max(0, depth))}${char}`;
    } else if (char === ",") {
      out += `,\n${"  ".repeat(Math.max(0, depth))}`;
    } else if (char === ":") {
      out += ": ";
    } else if (!/\s/.test(char)) {
      out += char;
    }
  }
  return out;
}

/** As chips show them. */
export function chipCounts({ added = 0, removed = 0, replaced = 0, moved = 0 }: Schemas["EditCounts"]) {
  return { added, removed, changed: replaced, moved };
}
