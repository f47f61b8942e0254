import { expect, test } from "vitest";
import { whole } from "./addresses.ts";
import { asEvents, SCHEMES, SENDERS, senderLines } from "./senders.ts";

const URL_ = "https://delta.example.com/v1/webhooks/p/e/dk_hook_1?as=event";
const PLAIN = { header: "", algorithm: "sha256", encoding: "hex", prefix: "" } as const;

test.each(SCHEMES)("lines of %s hold the whole address and no secret", (scheme) => {
  const lines = senderLines({ ...PLAIN, scheme, header: "X-It's" }, URL_);
  if (lines === null) return expect(SENDERS[scheme].where).not.toBe("");
  expect(lines).toContain("https://delta.example.com/v1/webhooks/p/e/dk_hook_1?as=event");
  expect(lines).not.toContain("whsec_");
});

test("a signature of one's own is made as its settings say", () => {
  const own = {
    ...PLAIN,
    scheme: "hmac",
    header: "X-Sig",
    prefix: "v=",
    algorithm: "sha512",
    encoding: "base64",
  } as const;
  const lines = senderLines(own, URL_) ?? "";
  expect(lines).toContain(`openssl dgst -sha512 -hmac "$SECRET" -binary | openssl base64 -A`);
  expect(lines).toContain(`-H 'X-Sig: v='"$signed"`);
});

test("addresses are whole, below wherever the dashboard stands", () => {
  expect(whole("/v1/feeds/x/atom.xml", "https://a.example/delta/")).toBe("https://a.example/delta/v1/feeds/x/atom.xml");
  expect(whole("https://b.example/v1/x", "https://a.example/")).toBe("https://b.example/v1/x");
  expect(asEvents("https://b.example/v1/x", true)).toBe("https://b.example/v1/x?as=event");
});
