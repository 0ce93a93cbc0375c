import assert from "node:assert/strict";
import { createHmac } from "node:crypto";
import { test } from "node:test";
import { verifyWebhook, WebhookInvalid } from "../src/index.ts";

// The example of the specification, github.com/standard-webhooks: secret, id, timestamp, body and signature.
const SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const ID = "msg_p5jXN8AQM9LWM0D4loKWxJek";
const TIME = 1_614_265_330;
const BODY = '{"test": 2432232314}';
const SIGNATURE = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=";

const HEADERS = { "webhook-id": ID, "webhook-timestamp": String(TIME), "webhook-signature": SIGNATURE };
const NOW = { now: TIME + 60 };

function signed(body: string, key = SECRET.slice(6)): string {
  const mac = createHmac("sha256", Buffer.from(key, "base64")).update(`${ID}.${TIME}.${body}`).digest("base64");
  return `v1,${mac}`;
}

test("the example of the specification is genuine", async () => {
  assert.deepEqual(await verifyWebhook(BODY, HEADERS, SECRET, NOW), { test: 2432232314 });
});

test("bytes, fetch's headers, Node's headers in any case, and a list of secrets are taken as well", async () => {
  const old = `whsec_${Buffer.from("an older secret, being rotated").toString("base64")}`;
  await verifyWebhook(new TextEncoder().encode(BODY), new Headers(HEADERS), [old, SECRET], NOW);
  const named = {
    "Webhook-Id": [ID],
    "Webhook-Timestamp": String(TIME),
    "Webhook-Signature": `v1a,xx ${signed("x")} ${SIGNATURE}`,
  };
  await verifyWebhook(BODY, named, SECRET, NOW);
});

const BAD: Record<string, [string, Record<string, string | undefined>, { now: number }]> = {
  "another body": ['{"test": 1}', HEADERS, NOW],
  "another secret's signature": [BODY, { ...HEADERS, "webhook-signature": signed(BODY, "AAAA") }, NOW],
  "another version's signature": [BODY, { ...HEADERS, "webhook-signature": SIGNATURE.replace("v1", "v2") }, NOW],
  "no signature": [BODY, { ...HEADERS, "webhook-signature": "v1," }, NOW],
  "a missing header": [BODY, { ...HEADERS, "webhook-id": undefined }, NOW],
  "a time that is none": [BODY, { ...HEADERS, "webhook-timestamp": "1e9" }, NOW],
  "an old one, recorded and played again": [BODY, HEADERS, { now: TIME + 301 }],
  "one of the future": [BODY, HEADERS, { now: TIME - 301 }],
  "a body that is no JSON": ["hello", { ...HEADERS, "webhook-signature": signed("hello") }, NOW],
};

for (const [what, [body, headers, options]] of Object.entries(BAD)) {
  test(`refused: ${what}`, async () => {
    await assert.rejects(verifyWebhook(body, headers, SECRET, options), WebhookInvalid);
  });
}

test("a secret that is none is the caller's mistake, not the sender's", async () => {
  await assert.rejects(verifyWebhook(BODY, HEADERS, "whsec_!", NOW), TypeError);
});
