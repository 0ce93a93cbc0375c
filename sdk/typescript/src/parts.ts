/** A multipart upload: parts side by side, each tried again alone, none twice that has arrived. */

import type { Api } from "./api.ts";
import { ApiError } from "./errors.ts";
import type { LinkCalls } from "./links.ts";
import type { Image } from "./model.ts";
import type { Meter } from "./progress.ts";

/** How many parts are under way at once: enough to fill a long line, few enough for a phone. */
const AT_ONCE = 4;

/** Storage answers so when the signature of an address is over; a newer one may still be good. */
const OVER: ReadonlySet<number> = new Set([401, 403]);

interface Part {
  number: number;
  offset: number;
  bytes: Blob;
}

/** Sends the parts that are not there and puts them together. Returns the image, in work. */
export async function sendParts(
  api: Api,
  calls: LinkCalls,
  blob: Blob,
  meter: Meter,
  signal?: AbortSignal,
): Promise<Image> {
  const urls = new Map(calls.link.parts?.map((part) => [part.number, part.url]));
  const all = partsOf(blob, calls.link.part_size ?? blob.size);
  let etags = await arrived(calls);
  const missing = all.filter((part) => !etags.has(part.number));
  for (const { number, offset, bytes } of all) if (etags.has(number)) meter.part(offset, bytes.size)(bytes.size);
  await sideBySide(missing, signal, async (part, stop) => {
    const sent = { onSent: meter.part(part.offset, part.bytes.size), signal: stop };
    const put = async (url: string) => (await api.putBytes("PUT", url, {}, part.bytes, sent)).headers.get("etag");
    etags.set(part.number, (await putOnce(put, urls.get(part.number), () => calls.addressOf(part.number))) ?? "");
  });
  // A storage may hide the ETag from pages of other origins; the server can be asked.
  if ([...etags.values()].includes("")) etags = await arrived(calls);
  return await calls.complete(all.map(({ number }) => ({ number, etag: etags.get(number) ?? "" })));
}

function partsOf(blob: Blob, size: number): Part[] {
  return Array.from({ length: Math.max(1, Math.ceil(blob.size / size)) }, (_, index) => {
    return { number: index + 1, offset: index * size, bytes: blob.slice(index * size, (index + 1) * size) };
  });
}

async function arrived(calls: LinkCalls): Promise<Map<number, string>> {
  const { parts } = await calls.status();
  return new Map(parts?.flatMap(({ number, etag }) => (etag === undefined ? [] : [[number, etag]])));
}

/** Puts to the address that is known, and to a new one when there is none or its time is over. */
async function putOnce<T>(
  put: (url: string) => Promise<T>,
  known: string | undefined,
  renew: () => Promise<string>,
): Promise<T> {
  if (known === undefined) return await put(await renew());
  try {
    return await put(known);
  } catch (error) {
    if (!(error instanceof ApiError && OVER.has(error.status))) throw error;
    return await put(await renew());
  }
}

/** Does the work for each item, a few at once; the first failure ends the others and is thrown. */
async function sideBySide<T>(
  items: readonly T[],
  outer: AbortSignal | undefined,
  work: (item: T, signal: AbortSignal) => Promise<void>,
): Promise<void> {
  const inner = new AbortController();
  const signal = outer ? AbortSignal.any([outer, inner.signal]) : inner.signal;
  const waiting = items.values(); // one iterator for all: each takes the next
  const worker = async () => {
    for (const item of waiting) await work(item, signal);
  };
  try {
    await Promise.all(Array.from({ length: AT_ONCE }, worker));
  } finally {
    inner.abort();
  }
}
