/** The client: one method for each thing that can be done with images. */

import { Api, type ClientOptions, writeToken } from "./api.ts";
import { changesJson, fieldsJson, filterQuery } from "./fields.ts";
import { LinkCalls } from "./links.ts";
import type { Image, ImageChanges, ImageFields, ImageFilter, SignedUrl, UploadLink } from "./model.ts";
import { Meter } from "./progress.ts";
import { openSource, type Uploadable } from "./source.ts";
import {
  createLink,
  type LinkOptions,
  type SendOptions,
  sendByLink,
  type UploadOptions,
  uploadSource,
} from "./upload.ts";
import { look, USUAL_WAIT_SECONDS, untilReady, type WaitOptions } from "./waiting.ts";

/** How many images a page of a list has: the most that the server gives at once. */
const PAGE_IMAGES = 100;

/** What every call takes. */
export interface CallOptions {
  signal?: AbortSignal | undefined;
}

/** Of an image that is not yours by its credential: the token that its upload gave. */
export interface TokenOptions extends CallOptions {
  /** The write token of an upload, or the delete token of an anonymous image. */
  token?: string | undefined;
}

export class Tintype {
  private readonly api: Api;

  constructor(options: ClientOptions = {}) {
    this.api = new Api(options);
  }

  /** Uploads a file and returns its image, ready to be shown. */
  async upload(file: Uploadable, options: UploadOptions = {}): Promise<Image> {
    return await uploadSource(this.api, await openSource(file), options);
  }

  /** Has the server fetch an image from an address. */
  async fromUrl(
    sourceUrl: string,
    options: ImageFields & Pick<UploadOptions, "wait" | "signal" | "idempotencyKey"> = {},
  ): Promise<Image> {
    const { wait = true, signal, idempotencyKey } = options;
    const json = { source_url: sourceUrl, ...fieldsJson(options) };
    const headers = idempotencyKey === undefined ? {} : { "idempotency-key": idempotencyKey };
    const image = await this.api.call<Image>("POST", "/images", { json, headers, signal });
    return wait === false
      ? image
      : await this.wait(image, { seconds: wait === true ? USUAL_WAIT_SECONDS : wait, signal });
  }

  /** Reserves an upload for somebody else: a one-time link for one file, to be handed to a browser as JSON. */
  async createUpload(options: LinkOptions): Promise<UploadLink> {
    return await createLink(this.api, options);
  }

  /** Sends a file by a link, from wherever an earlier attempt left it, and returns its image. */
  async uploadTo(link: UploadLink, file: Uploadable, options: SendOptions = {}): Promise<Image> {
    return await sendTo(this.api.asStranger(link.api), link, file, options);
  }

  /** Gives an upload up: what was sent is thrown away, and what was reserved for it is free. */
  async abortUpload(link: UploadLink, { signal }: CallOptions = {}): Promise<void> {
    await new LinkCalls(this.api.asStranger(link.api), link, signal).abort();
  }

  /** Returns an image as it is now. */
  async get(id: string, options: TokenOptions & { readToken?: string | undefined } = {}): Promise<Image> {
    return await look(this.api, id, options);
  }

  /** Returns the image once it is processed; `ImageRejected` when that failed, `NotReady` when it takes too long. */
  async wait(image: Image, options: WaitOptions = {}): Promise<Image> {
    return await untilReady(this.api, image, options);
  }

  /** Gives your images, newest first; further pages are asked for as you go on. */
  async *list(filter: ImageFilter & CallOptions = {}): AsyncGenerator<Image, void, undefined> {
    const query = { ...filterQuery(filter), limit: String(PAGE_IMAGES) };
    for (let cursor: string | undefined; ; ) {
      const page: { items: Image[]; next: string | null } = await this.api.call("GET", "/images", {
        query: { ...query, cursor },
        signal: filter.signal,
      });
      yield* page.items;
      if (page.next === null) return;
      cursor = page.next;
    }
  }

  /** Changes what is said of an image: what is not named stays, null clears. */
  async patch(id: string, changes: ImageChanges, { token, signal }: TokenOptions = {}): Promise<Image> {
    const call = { json: changesJson(changes), headers: writeToken(token), signal };
    return await this.api.call<Image>("PATCH", pathOf(id), call);
  }

  /** Deletes an image: into the trash, or with `purge` for good. */
  async delete(id: string, options: TokenOptions & { purge?: boolean } = {}): Promise<void> {
    const { token, purge, signal } = options;
    const query = { purge: purge ? "true" : undefined };
    await this.api.call("DELETE", pathOf(id), { query, headers: writeToken(token), signal });
  }

  /** Takes an image out of the trash. */
  async restore(id: string, { token, signal }: TokenOptions = {}): Promise<Image> {
    return await this.api.call<Image>("POST", `${pathOf(id)}/restore`, { headers: writeToken(token), signal });
  }

  /** Returns an address that opens one size of an image to whoever has it, for an hour unless you say. */
  async signedUrl(
    id: string,
    options: TokenOptions & {
      /** A preset's name, or `original`. */
      preset: string;
      format?: "jpeg" | "png" | "webp" | undefined;
      /** Seconds. */
      expiresIn?: number | undefined;
    },
  ): Promise<SignedUrl> {
    const { preset, format, expiresIn, token, signal } = options;
    const json = { preset, format, expires_in: expiresIn };
    return await this.api.call<SignedUrl>("POST", `${pathOf(id)}/signed-url`, {
      json,
      headers: writeToken(token),
      signal,
    });
  }
}

/** Sends a file by a one-time link. Whoever has the link needs nothing else: neither a key nor a client. */
export async function uploadTo(link: UploadLink, file: Uploadable, options: SendOptions = {}): Promise<Image> {
  return await sendTo(new Api({}, link.api), link, file, options);
}

async function sendTo(api: Api, link: UploadLink, file: Uploadable, options: SendOptions): Promise<Image> {
  const { blob } = await openSource(file);
  return await sendByLink(api, link, blob, new Meter(blob.size, options.onProgress), options, "unknown");
}

function pathOf(id: string): string {
  return `/images/${encodeURIComponent(id)}`;
}
