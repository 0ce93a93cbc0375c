/** Waiting until an image is processed: the server holds each answer back for a while (`Prefer: wait`, RFC 7240). */

import { type Api, sleep, writeToken } from "./api.ts";
import { ImageRejected, NotReady } from "./errors.ts";
import type { Image } from "./model.ts";

/** How long the server is asked to hold an answer back; it is the most that it does. */
const ASKED_SECONDS = 10;

/** An answer that came sooner was not held back: asking again at once would be a busy loop. */
const HELD_MS = 1_000;

const FIRST_PAUSE_MS = 250;
const LONGEST_PAUSE_MS = 5_000;

export interface WaitOptions {
  /** Seconds to wait at most. Default two minutes. */
  timeout?: number | undefined;
  /** The write token of the upload, or the delete token of an anonymous image. */
  token?: string | undefined;
  /** The read token of a private image that is not yours. */
  readToken?: string | undefined;
  signal?: AbortSignal | undefined;
}

export const USUAL_WAIT_SECONDS = 120;

/**
 * Returns the image once it is processed; `ImageRejected` when that failed, `NotReady` when it takes too long.
 * What only the first answer told (tokens, whether the bytes were there already) is kept.
 */
export async function untilReady(api: Api, image: Image, options: WaitOptions = {}): Promise<Image> {
  const { timeout = USUAL_WAIT_SECONDS, token = image.delete_token, readToken = image.read_token, signal } = options;
  const end = performance.now() + timeout * 1000;
  let latest = image;
  for (let pause = FIRST_PAUSE_MS; latest.state === "processing"; pause = Math.min(2 * pause, LONGEST_PAUSE_MS)) {
    const asked = performance.now();
    if (asked >= end) throw new NotReady(latest, timeout);
    const wait = Math.max(1, Math.min(ASKED_SECONDS, Math.floor((end - asked) / 1000)));
    latest = await look(api, image.id, { token, readToken, wait, signal });
    if (latest.state === "processing" && performance.now() - asked < HELD_MS) await sleep(pause, signal);
  }
  const shown = { ...latest, ...onlyToldOnce(image) };
  if (shown.state === "rejected" || shown.state === "failed") throw new ImageRejected(shown);
  return shown;
}

/** Returns the image as it is; the answer may be held back for `wait` seconds until it is processed. */
export async function look(
  api: Api,
  id: string,
  options: {
    token?: string | undefined;
    readToken?: string | undefined;
    wait?: number;
    signal?: AbortSignal | undefined;
  } = {},
): Promise<Image> {
  const { token, readToken, wait, signal } = options;
  const headers = { ...writeToken(token), ...(wait === undefined ? {} : { prefer: `wait=${wait}` }) };
  return await api.call<Image>("GET", `/images/${encodeURIComponent(id)}`, {
    query: { token: readToken },
    headers,
    signal,
  });
}

function onlyToldOnce({ deduplicated, delete_token, read_token }: Image): Partial<Image> {
  return {
    deduplicated,
    ...(delete_token === undefined ? {} : { delete_token }),
    ...(read_token === undefined ? {} : { read_token }),
  };
}
