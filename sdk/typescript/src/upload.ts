/**
 * An upload from its file to its image: choose a door, reserve, send, complete, wait.
 *
 *     direct      one request to the API has it all; the answer is the image
 *     put         POST /uploads, one PUT to storage, complete
 *     multipart   POST /uploads, parts side by side, each tried again alone, complete
 *     tus         POST /uploads, from wherever the server says it is, as often as the line breaks
 */

import type { Api } from "./api.ts";
import { sha256, toBase64, toHex } from "./digest.ts";
import { ApiError, ConnectionFailed } from "./errors.ts";
import { fieldsJson, fieldsQuery } from "./fields.ts";
import { LinkCalls } from "./links.ts";
import type { Image, ImageFields, LinkMethod, Progress, UploadLink, UploadMethod } from "./model.ts";
import { sendParts } from "./parts.ts";
import { Meter } from "./progress.ts";
import { sendResumable } from "./resumable.ts";
import { isPassing } from "./retry.ts";
import type { Source } from "./source.ts";
import { look, untilReady, type WaitOptions } from "./waiting.ts";

/** Up to here one request is the quickest, and sending it all again the least trouble. */
export const DIRECT_BYTES = 8 * 2 ** 20;

/** Up to here one PUT; what is larger goes in parts, of which a broken connection costs one. */
export const PUT_BYTES = 64 * 2 ** 20;

/** Above this a line that the browser calls slow is expected to break before all has gone over it. */
export const PATIENT_BYTES = 2 ** 20;

const SLOW_LINES: ReadonlySet<string> = new Set(["slow-2g", "2g", "3g"]);

/** How an upload is sent, and what is told of it. */
export interface SendOptions {
  onProgress?: ((progress: Progress) => void) | undefined;
  /** Ends the upload, with the signal's reason as the error; the server throws away what it had of it. */
  signal?: AbortSignal | undefined;
  /** Whether to wait until every size is there, and how many seconds at most. Default true: two minutes. */
  wait?: boolean | number | undefined;
}

export interface UploadOptions extends ImageFields, SendOptions {
  /** How to send. Without it the size decides, and in browsers a slow line. */
  method?: UploadMethod | undefined;
  /** Makes it safe to do the same upload again, after a crash too: it is done once. */
  idempotencyKey?: string | undefined;
}

/** What must be known of a file before it is sent by a link. */
export interface LinkOptions extends ImageFields {
  /** Bytes. */
  size: number;
  /** The media type. */
  contentType: string;
  filename?: string | undefined;
  /** In hexadecimal: nothing else will be taken. */
  sha256?: string | undefined;
  /** Without it the size decides. */
  method?: LinkMethod | undefined;
  idempotencyKey?: string | undefined;
  signal?: AbortSignal | undefined;
}

/** Returns how to send so many bytes. `line` is what a browser says of its connection (`effectiveType`). */
export function methodFor(size: number, line?: string): UploadMethod {
  if (line !== undefined && SLOW_LINES.has(line) && size > PATIENT_BYTES) return "tus";
  if (size <= DIRECT_BYTES) return "direct";
  return size <= PUT_BYTES ? "put" : "multipart";
}

/** Returns the image that the source became. */
export async function uploadSource(api: Api, source: Source, options: UploadOptions): Promise<Image> {
  const meter = new Meter(source.blob.size, options.onProgress);
  const method = options.method ?? methodFor(source.blob.size, effectiveType());
  if (method === "direct") {
    const image = await sendDirectly(api, source, options, meter);
    return await finish(api, image, meter, options);
  }
  const digest = await sha256(source.blob);
  const link = await createLink(api, {
    ...options,
    method,
    size: source.blob.size,
    contentType: source.type,
    filename: source.name,
    sha256: digest && toHex(digest),
  });
  try {
    // By its Idempotency-Key an earlier attempt may have begun it.
    const state = options.idempotencyKey === undefined ? "new" : "unknown";
    return await sendByLink(api, link, source.blob, meter, options, state);
  } catch (error) {
    if (error instanceof ApiError && !isPassing(error.status, error.code)) giveUp(api, link); // nobody else has the link
    throw error;
  }
}

/** Returns the room that was reserved; without this it would be, too, only later. */
function giveUp(api: Api, link: UploadLink): void {
  void new LinkCalls(api, link).abort().catch(() => {});
}

function effectiveType(): string | undefined {
  const { connection } = (globalThis.navigator ?? {}) as { connection?: { effectiveType?: string } };
  return connection?.effectiveType;
}

async function sendDirectly(api: Api, { blob, type }: Source, options: UploadOptions, meter: Meter): Promise<Image> {
  const headers = { ...(await fileHeaders({ blob, type })), ...repeatable(options.idempotencyKey) };
  const { signal } = options;
  const onSent = meter.part(0, blob.size);
  return await api.call<Image>("POST", "/images", { query: fieldsQuery(options), body: blob, headers, onSent, signal });
}

/** Returns the headers of a request whose body is the file. */
export async function fileHeaders({ blob, type }: Pick<Source, "blob" | "type">): Promise<Record<string, string>> {
  const digest = await sha256(blob);
  return { "content-type": type, ...(digest && { "content-digest": `sha-256=:${toBase64(digest)}:` }) };
}

/** Returns the header that makes a request the same one, however often it is made. */
export function repeatable(key: string | undefined): Record<string, string> {
  return key === undefined ? {} : { "idempotency-key": key };
}

/** Reserves an upload. */
export async function createLink(api: Api, options: LinkOptions): Promise<UploadLink> {
  const { size, contentType, filename, method, signal } = options;
  const byKnown = { size, filename, content_type: contentType, sha256: options.sha256 };
  const json = { ...fieldsJson(options), ...byKnown, method: method ?? (size > PUT_BYTES ? "multipart" : "put") };
  const headers = repeatable(options.idempotencyKey);
  const link = await api.call<Omit<UploadLink, "api">>("POST", "/uploads", { json, headers, signal });
  return { ...link, api: api.base };
}

/** Sends the file by the link, from wherever it is, and returns the image. What fails for now says where to go on. */
export async function sendByLink(
  api: Api,
  link: UploadLink,
  blob: Blob,
  meter: Meter,
  options: SendOptions,
  state: "new" | "unknown",
): Promise<Image> {
  const calls = new LinkCalls(api, link, options.signal);
  try {
    const image = await deliver(api, calls, blob, meter, options.signal, state);
    return await finish(api, image, meter, options, tokensOf(link));
  } catch (error) {
    if (options.signal?.aborted) giveUp(api, link);
    const passing = error instanceof ConnectionFailed || (error instanceof ApiError && isPassing(error.status));
    throw passing ? error.withLink(link) : error;
  }
}

async function deliver(
  api: Api,
  calls: LinkCalls,
  blob: Blob,
  meter: Meter,
  signal: AbortSignal | undefined,
  state: "new" | "unknown",
): Promise<Image> {
  const { link } = calls;
  if (state === "unknown" && (await isReceived(calls)))
    return await look(api, link.image_id, { ...tokensOf(link), signal });
  if (link.method === "multipart") return await sendParts(api, calls, blob, meter, signal);
  if (link.method === "tus") {
    await sendResumable(api, link, targetOf(link), blob, meter, signal);
    return await look(api, link.image_id, { ...tokensOf(link), signal });
  }
  const { method, url, headers = {} } = targetOf(link);
  await api.store(method, url, headers, blob, { onSent: meter.part(0, blob.size), signal });
  return await calls.complete();
}

/** Returns where the bytes go; `TypeError` for what is no link. */
function targetOf({ upload }: UploadLink): NonNullable<UploadLink["upload"]> {
  if (upload === undefined) throw new TypeError("This upload link does not say where the bytes go.");
  return upload;
}

async function isReceived(calls: LinkCalls): Promise<boolean> {
  const { state } = await calls.status();
  return state === "received" || state === "committed" || state === "rejected";
}

/** What shows that an image may be seen. */
type Tokens = Pick<WaitOptions, "token" | "readToken">;

/** The write token ends with the upload when the image is somebody's; to look at a private one there is another. */
export function tokensOf({ write_token, read_token }: UploadLink): Tokens {
  return { token: write_token, readToken: read_token ?? undefined };
}

/** Waits if that is wanted. */
export async function finish(
  api: Api,
  image: Image,
  meter: Meter,
  { wait = true, signal }: SendOptions,
  tokens: Tokens = {},
): Promise<Image> {
  meter.processing();
  const timeout = wait === true ? undefined : wait;
  const shown = timeout === false ? image : await untilReady(api, image, { ...tokens, timeout, signal });
  meter.done();
  return shown;
}
