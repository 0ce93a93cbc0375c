/** Webhooks that Tintype sent: signed as Standard Webhooks say (standardwebhooks.com), checked by Web Crypto. */

import { fromBase64 } from "./digest.ts";
import { WebhookInvalid } from "./errors.ts";

/** Seconds that a webhook may be old (or early): what is older was recorded and is played again. */
const TOLERANCE_SECONDS = 300;

const SECRET_PREFIX = "whsec_";
const VERSION = "v1";

export interface WebhookEvent {
  type: string;
  timestamp: string;
  data: Record<string, unknown>;
}

export interface VerifyOptions {
  /** Seconds. Default five minutes. */
  tolerance?: number | undefined;
  /** A Unix time in seconds; the clock's without it. */
  now?: number | undefined;
}

/** Headers as fetch, Node's `http` or Express have them. */
export type HeadersLike = Headers | Record<string, string | readonly string[] | undefined>;

/**
 * Returns the event of a webhook that is genuine; throws `WebhookInvalid` for any other.
 *
 * `body` is the request's body as it came, byte for byte: not JSON that was read and written again. While a secret is
 * rotated, give both. Remember the header `webhook-id` to do nothing twice: a webhook may come again.
 */
export async function verifyWebhook(
  body: string | Uint8Array,
  headers: HeadersLike,
  secret: string | readonly string[],
  { tolerance = TOLERANCE_SECONDS, now = Date.now() / 1000 }: VerifyOptions = {},
): Promise<WebhookEvent> {
  const content = typeof body === "string" ? new TextEncoder().encode(body) : body;
  const [id, sentAt, given] = ["id", "timestamp", "signature"].map((name) => header(headers, `webhook-${name}`));
  if (!id || !sentAt || !given)
    throw new WebhookInvalid("A header of webhook-id, -timestamp and -signature is missing.");
  if (!/^\d{1,12}$/.test(sentAt)) throw new WebhookInvalid("The header webhook-timestamp is no Unix time.");
  if (Math.abs(now - Number(sentAt)) > tolerance) {
    throw new WebhookInvalid(`The webhook is more than ${tolerance} seconds away from this clock's time.`);
  }
  const head = new TextEncoder().encode(`${id}.${sentAt}.`);
  const signed = new Uint8Array(head.length + content.length);
  signed.set(head);
  signed.set(content, head.length);
  if (await anyMatches(typeof secret === "string" ? [secret] : secret, signed, given)) return eventOf(content);
  throw new WebhookInvalid("The signature is not of this body by this secret.");
}

function header(headers: HeadersLike, name: string): string | undefined {
  if (headers instanceof Headers) return headers.get(name) ?? undefined;
  const value = Object.entries(headers).find(([given]) => given.toLowerCase() === name)?.[1];
  return typeof value === "string" ? value : value?.[0];
}

/** `subtle.verify` compares in constant time. */
async function anyMatches(
  secrets: readonly string[],
  signed: Uint8Array<ArrayBuffer>,
  given: string,
): Promise<boolean> {
  const signatures = given.split(" ").flatMap((text) => {
    const [version, signature = ""] = text.split(",");
    return version === VERSION ? [fromBase64(signature)] : [];
  });
  for (const secret of secrets) {
    const key = await keyOf(secret);
    for (const signature of signatures) {
      if (signature && (await crypto.subtle.verify("HMAC", key, signature, signed))) return true;
    }
  }
  return false;
}

async function keyOf(secret: string): Promise<CryptoKey> {
  const bytes = fromBase64(secret.startsWith(SECRET_PREFIX) ? secret.slice(SECRET_PREFIX.length) : secret);
  if (!bytes || bytes.length === 0) throw new TypeError("A webhook's secret is whsec_ and base64; this one is not.");
  return await crypto.subtle.importKey("raw", bytes, { name: "HMAC", hash: "SHA-256" }, false, ["verify"]);
}

function eventOf(content: Uint8Array): WebhookEvent {
  let event: unknown;
  try {
    event = JSON.parse(new TextDecoder().decode(content));
  } catch {
    throw new WebhookInvalid("The body is no JSON.");
  }
  if (typeof event !== "object" || event === null) throw new WebhookInvalid("The body is no JSON object.");
  return event as WebhookEvent;
}
