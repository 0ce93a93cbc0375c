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
import { ApiError, ConnectionFailed, type TintypeError } from "./errors.ts";
import { fieldsJson, fieldsQuery } from "./fields.ts";
import { LinkCalls } from "./links.ts";
import type { Image, ImageFields, LinkMethod, Progress, UploadLink, UploadMethod } from "./model.ts";
import { sendParts } from "./parts.ts";
import { Meter } from "./progress.ts";
import { sendResumable } from "./resumable.ts";
import { Kept, uploadName } from "./resume.ts";
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
  /** Whether the same upload goes on where it was when the page was closed or reloaded meanwhile. */
  resume?: boolean | undefined;
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

/**
 * Returns how to send so many bytes. `line` is what a browser says of its connection (`effectiveType`); what is to be
 * resumed goes by a method that can.
 */
export function methodFor(size: number, line = "", resume = false): UploadMethod {
  if (SLOW_LINES.has(line) && size > PATIENT_BYTES) return "tus";
  if (resume) return size <= PUT_BYTES ? "tus" : "multipart";
  if (size <= DIRECT_BYTES) return "direct";
  return size <= PUT_BYTES ? "put" : "multipart";
}

/** What one file needs to be sent. */
export interface Work<Options extends SendOptions = SendOptions> {
  api: Api;
  blob: Blob;
  meter: Meter;
  options: Options;
}

/** Whether a link was made just now; what has an earlier attempt behind it is asked how far it is. */
type LinkState = "new" | "used";

/** Returns the image that the source became. */
export async function uploadSource(api: Api, source: Source, options: UploadOptions): Promise<Image> {
  const { blob } = source;
  const work: Work<UploadOptions> = { api, blob, meter: new Meter(blob.size, options.onProgress), options };
  const method = options.method ?? methodFor(blob.size, effectiveType(), options.resume);
  if (method === "direct") return await finish(work, await sendDirectly(work, source));
  const digest = await sha256(blob);
  const kept = options.resume ? new Kept(api.store(), uploadName(api.base, source, digest, options)) : undefined;
  return (await goOn(work, kept)) ?? (await begin(work, kept, source, digest, method));
}

/** Returns the image of an upload that was interrupted; undefined when there is none, or its time is over. */
async function goOn(work: Work, kept: Kept | undefined): Promise<Image | undefined> {
  const link = kept?.link();
  if (link === undefined) return undefined;
  try {
    return await sendKept(work, kept, link, "used");
  } catch (error) {
    if (error instanceof ApiError && !mayPass(error)) return undefined;
    throw error;
  }
}

async function begin(
  work: Work<UploadOptions>,
  kept: Kept | undefined,
  { name, type }: Source,
  digest: Uint8Array | undefined,
  method: LinkMethod,
): Promise<Image> {
  const { api, blob, options } = work;
  const known = { method, size: blob.size, contentType: type, filename: name, sha256: digest && toHex(digest) };
  const link = await createLink(api, { ...options, ...known });
  kept?.keep(link);
  try {
    return await sendKept(work, kept, link, options.idempotencyKey === undefined ? "new" : "used");
  } catch (error) {
    if (error instanceof ApiError && !mayPass(error)) giveUp(api, link); // nobody else has the link
    throw error;
  }
}

/** Sends by the link, and keeps it for exactly as long as it can be of use. */
async function sendKept(work: Work, kept: Kept | undefined, link: UploadLink, state: LinkState): Promise<Image> {
  try {
    const image = await sendByLink(work, link, state);
    kept?.forget();
    return image;
  } catch (error) {
    if (!mayPass(error)) kept?.forget();
    throw error;
  }
}

/** Says whether the upload may go on later. */
function mayPass(error: unknown): error is TintypeError {
  return error instanceof ConnectionFailed || (error instanceof ApiError && isPassing(error.status, error.code));
}

/** Returns the room that was reserved; without this it would be, too, only later. */
function giveUp(api: Api, link: UploadLink): void {
  void new LinkCalls(api, link).abort().catch(() => {});
}

function effectiveType(): string | undefined {
  const { connection } = (globalThis.navigator ?? {}) as { connection?: { effectiveType?: string } };
  return connection?.effectiveType;
}

async function sendDirectly({ api, blob, meter, options }: Work<UploadOptions>, source: Source): Promise<Image> {
  const headers = { ...(await fileHeaders(source)), ...repeatable(options.idempotencyKey) };
  const sent = { body: blob, onSent: meter.part(0, blob.size), signal: options.signal };
  return await api.call<Image>("POST", "/images", { query: fieldsQuery(options), headers, ...sent });
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
export async function sendByLink(work: Work, link: UploadLink, state: LinkState): Promise<Image> {
  const { api, options } = work;
  try {
    return await finish(work, await deliver(work, new LinkCalls(api, link, options.signal), state), tokensOf(link));
  } catch (error) {
    if (options.signal?.aborted) giveUp(api, link);
    throw mayPass(error) ? error.withLink(link) : error;
  }
}

async function deliver({ api, blob, meter, options }: Work, calls: LinkCalls, state: LinkState): Promise<Image> {
  const { link } = calls;
  const { signal } = options;
  const isThere = async () => await look(api, link.image_id, { ...tokensOf(link), signal });
  if (state === "used" && (await isReceived(calls))) return await isThere();
  if (link.method === "multipart") return await sendParts(api, calls, blob, meter, signal);
  const target = targetOf(link);
  if (link.method === "tus") {
    await sendResumable(api, link, target, blob, meter, signal);
    return await isThere();
  }
  const onSent = meter.part(0, blob.size);
  await api.putBytes(target.method, target.url, target.headers ?? {}, blob, { onSent, signal });
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
  { api, meter, options }: Omit<Work, "blob">,
  image: Image,
  tokens: Tokens = {},
): Promise<Image> {
  const { wait = true, signal } = options;
  meter.processing();
  const timeout = wait === true ? undefined : wait;
  const shown = timeout === false ? image : await untilReady(api, image, { ...tokens, timeout, signal });
  meter.done();
  return shown;
}
