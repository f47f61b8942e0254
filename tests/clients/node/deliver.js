// Delivers to inbound webhooks as senders sign, each by the library of its vendor:
//   node deliver.js '[{"scheme": "github", "url": "...", "secret": "..."}]'
// prints the statuses of a delivery, the same again, and one whose body was changed on the way.

import { sign } from "@octokit/webhooks-methods";
import { Webhook as StandardWebhook } from "standardwebhooks";
import Stripe from "stripe";
import { Webhook as SvixWebhook } from "svix";

const now = () => new Date();
const seconds = () => Math.floor(Date.now() / 1000);

const signed = {
  github: async (secret, body) => ({
    "x-hub-signature-256": await sign(secret, body),
    "x-github-event": "push",
    "x-github-delivery": "72d3162e-cc78-11e3-81ab-4c9367dc0958",
  }),
  stripe: async (secret, payload) => ({
    "stripe-signature": new Stripe("sk_test_none").webhooks.generateTestHeaderString({ payload, secret }),
  }),
  standard: async (secret, body) => ({
    "webhook-id": "msg_1",
    "webhook-timestamp": `${seconds()}`,
    "webhook-signature": new StandardWebhook(secret).sign("msg_1", now(), body),
  }),
  svix: async (secret, body) => ({
    "svix-id": "msg_2",
    "svix-timestamp": `${seconds()}`,
    "svix-signature": new SvixWebhook(secret).sign("msg_2", now(), body),
  }),
};

const statuses = {};
for (const { scheme, url, secret } of JSON.parse(process.argv[2])) {
  const body = JSON.stringify({ id: "evt_1", type: "changed", from: scheme, text: "Zürich ✓" });
  const headers = { "content-type": "application/json", ...(await signed[scheme](secret, body)) };
  const deliver = async (text) => (await fetch(url, { method: "POST", headers, body: text })).status;
  statuses[scheme] = [await deliver(body), await deliver(body), await deliver(body.replace("changed", "created"))];
}
process.stdout.write(JSON.stringify(statuses));
