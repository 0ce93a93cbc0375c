/** What can be asked of an upload by its link: how far it is, addresses of parts, its end. */

import { type Api, writeToken } from "./api.ts";
import { TintypeError } from "./errors.ts";
import type { Image, PartTarget, UploadLink, UploadStatus } from "./model.ts";

/** One link, and the server that it is of. */
export class LinkCalls {
  readonly link: UploadLink;
  private readonly api: Api;
  private readonly signal: AbortSignal | undefined;

  constructor(api: Api, link: UploadLink, signal?: AbortSignal) {
    this.api = api;
    this.link = link;
    this.signal = signal;
  }

  async status(): Promise<UploadStatus> {
    return await this.call("GET", "");
  }

  /** Returns an address for the part with this number: those of the link end before an upload of hours does. */
  async addressOf(number: number): Promise<string> {
    const { parts } = await this.call<{ parts: PartTarget[] }>("POST", "/parts", { numbers: [number] });
    const url = parts.find((part) => part.number === number)?.url;
    if (url === undefined) throw new TintypeError(`The server gave no address for part ${number}.`);
    return url;
  }

  /** Says that all bytes are there. It may be said again, and answers the same. */
  async complete(parts?: readonly { number: number; etag: string }[]): Promise<Image> {
    return await this.call("POST", "/complete", parts === undefined ? {} : { parts });
  }

  /** Gives the upload up; what was sent is thrown away. */
  async abort(): Promise<void> {
    await this.call("DELETE", "");
  }

  private async call<T>(method: string, path: string, json?: unknown): Promise<T> {
    const headers = writeToken(this.link.write_token);
    const { signal } = this;
    return await this.api.call<T>(method, `/uploads/${encodeURIComponent(this.link.id)}${path}`, {
      json,
      headers,
      signal,
    });
  }
}
