/** The client: a method for each thing that can be done with images. */

import { Api, type Call, type ClientOptions, writeToken } from "./api.ts";
import { changesJson, fieldsJson, filterQuery } from "./fields.ts";
import { LinkCalls } from "./links.ts";
import type { Image, ImageChanges, ImageFields, ImageFilter, SignedUrl, UploadLink, Variant } from "./model.ts";
import { Meter } from "./progress.ts";
import { openSource, type Uploadable } from "./source.ts";
import {
  createLink,
  fileHeaders,
  finish,
  type LinkOptions,
  repeatable,
  type SendOptions,
  sendByLink,
  tokensOf,
  type UploadOptions,
  uploadSource,
} from "./upload.ts";
import { look, untilReady, type WaitOptions } from "./waiting.ts";

/** How many images a page of a list has: the most that the server gives at once. */
const PAGE_IMAGES = 100;

/** An image, or its id. An image that was uploaded without a credential brings its token. */
export type ImageOrId = Pick<Image, "id" | "delete_token"> | string;

/** What every call takes. */
export interface CallOptions {
  signal?: AbortSignal | undefined;
}

export interface TokenOptions extends CallOptions {
  /** The delete token of an anonymous image; an image that still has it needs nothing. */
  token?: string | undefined;
}

export interface ReplaceOptions extends SendOptions, TokenOptions {}

type ImportOptions = ImageFields & Pick<UploadOptions, "wait" | "signal" | "idempotencyKey">;

/** A Tintype server, as seen by one API key, session or nobody. */
export class Tintype {
  private readonly api: Api;

  constructor(options: ClientOptions = {}) {
    this.api = new Api(options);
  }

  /** Returns the image that the file became, ready to be shown unless `wait` says otherwise. */
  async upload(file: Uploadable, options: UploadOptions = {}): Promise<Image> {
    return await uploadSource(this.api, await openSource(file), options);
  }

  /** Returns the image that the file became by a link that was reserved; goes on where an earlier attempt ended. */
  async uploadTo(link: UploadLink, file: Uploadable, options: SendOptions = {}): Promise<Image> {
    return await sendTo(this.api.asStranger(link.api), link, file, options);
  }

  /** Returns the image that the server made of what it found at the address. */
  async fromUrl(url: string, options: ImportOptions = {}): Promise<Image> {
    const { signal, idempotencyKey } = options;
    const call = { json: { source_url: url, ...fieldsJson(options) }, headers: repeatable(idempotencyKey), signal };
    const image = await this.api.call<Image>("POST", "/images", call);
    return await finish({ api: this.api, meter: new Meter(0), options }, image);
  }

  /** Returns a link that takes one file, to be handed to a browser (or another server) as JSON. */
  async createUpload(options: LinkOptions): Promise<UploadLink> {
    return await createLink(this.api, options);
  }

  /** Returns the image of an upload whose bytes somebody else has sent by other means, in one piece. */
  async completeUpload(link: UploadLink, options: Omit<SendOptions, "onProgress"> = {}): Promise<Image> {
    const api = this.api.asStranger(link.api);
    const image = await new LinkCalls(api, link, options.signal).complete();
    return await finish({ api, meter: new Meter(0), options }, image, tokensOf(link));
  }

  /** Gives the upload up, with what was sent of it. */
  async abortUpload(link: UploadLink, { signal }: CallOptions = {}): Promise<void> {
    await new LinkCalls(this.api.asStranger(link.api), link, signal).abort();
  }

  /** Returns the image as it is now. With `readToken` a private one that is not yours. */
  async get(image: ImageOrId, options: TokenOptions & { readToken?: string | undefined } = {}): Promise<Image> {
    return await look(this.api, idOf(image), { ...options, token: tokenOf(image, options) });
  }

  /** Returns the image once every size is there; `ImageRejected`, or `NotReady` after `timeout` seconds. */
  async wait(image: Image, options: WaitOptions = {}): Promise<Image> {
    return await untilReady(this.api, image, options);
  }

  /** Yields your images, newest first; pages are fetched as they are needed. */
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

  /** Returns the image with the changes: what is not named stays, null clears. */
  async update(image: ImageOrId, changes: ImageChanges, options: TokenOptions = {}): Promise<Image> {
    return await this.change<Image>("PATCH", image, "", options, { json: changesJson(changes) });
  }

  /** Returns the image with other bytes: its version is one more, and addresses of the earlier one lead to it. */
  async replace(image: ImageOrId, file: Uploadable, options: ReplaceOptions = {}): Promise<Image> {
    const { blob, type } = await openSource(file);
    const meter = new Meter(blob.size, options.onProgress);
    const call = { body: blob, headers: await fileHeaders({ blob, type }), onSent: meter.part(0, blob.size) };
    const replaced = await this.change<Image>("PUT", image, "/content", options, call);
    return await finish({ api: this.api, meter, options }, replaced, { token: tokenOf(image, options) });
  }

  /** Puts the image into the trash for a while; with `purge` deletes it for good. */
  async delete(image: ImageOrId, options: TokenOptions & { purge?: boolean } = {}): Promise<void> {
    await this.change("DELETE", image, "", options, { query: { purge: options.purge ? "true" : undefined } });
  }

  /** Returns the image, out of the trash. */
  async restore(image: ImageOrId, options: TokenOptions = {}): Promise<Image> {
    return await this.change<Image>("POST", image, "/restore", options);
  }

  /** Returns every size in every format, made or not. */
  async variants(image: ImageOrId, options: TokenOptions = {}): Promise<Variant[]> {
    return (await this.change<{ items: Variant[] }>("GET", image, "/variants", options)).items;
  }

  /** Returns an address that opens one size to whoever has it, for an hour unless you say, or a little longer. */
  async signedUrl(
    image: ImageOrId,
    preset = "original",
    options: TokenOptions & { format?: "jpeg" | "png" | "webp" | undefined; expiresIn?: number | undefined } = {},
  ): Promise<SignedUrl> {
    const json = { preset, format: options.format, expires_in: options.expiresIn };
    return await this.change<SignedUrl>("POST", image, "/signed-url", options, { json });
  }

  private async change<T>(
    method: string,
    image: ImageOrId,
    path: string,
    options: TokenOptions,
    call: Call = {},
  ): Promise<T> {
    const headers = { ...call.headers, ...writeToken(tokenOf(image, options)) };
    const { signal } = options;
    return await this.api.call<T>(method, `/images/${encodeURIComponent(idOf(image))}${path}`, {
      ...call,
      headers,
      signal,
    });
  }
}

/**
 * Sends a file by a one-time link. Whoever has the link needs nothing else, neither a key nor a client; only for a link
 * that was not made by this package must `url` say where Tintype is.
 */
export async function uploadTo(
  link: UploadLink,
  file: Uploadable,
  options: SendOptions & Pick<ClientOptions, "url"> = {},
): Promise<Image> {
  return await sendTo(new Api({ url: options.url }, options.url ? undefined : link.api), link, file, options);
}

async function sendTo(api: Api, link: UploadLink, file: Uploadable, options: SendOptions): Promise<Image> {
  const { blob } = await openSource(file);
  return await sendByLink({ api, blob, meter: new Meter(blob.size, options.onProgress), options }, link, "used");
}

function idOf(image: ImageOrId): string {
  return typeof image === "string" ? image : image.id;
}

function tokenOf(image: ImageOrId, { token }: TokenOptions): string | undefined {
  return token ?? (typeof image === "string" ? undefined : image.delete_token);
}
