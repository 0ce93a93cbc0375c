/**
 * One request, once: by XMLHttpRequest where a page wants to see its bytes leave, else by fetch.
 *
 * fetch cannot tell a browser how much was sent; in Node, a body that counts what is read from it can.
 */

import { isUnreadable } from "./digest.ts";
import { ConnectionFailed, SourceChanged } from "./errors.ts";
import { inNode } from "./node.ts";

export interface Wire {
  method: string;
  url: string;
  headers: Record<string, string>;
  body?: string | Blob | undefined;
  /** Told how many bytes of the body have left. */
  onSent?: ((bytes: number) => void) | undefined;
  signal?: AbortSignal | undefined;
  /** Milliseconds without a sign of life after which the line counts as broken. */
  stallMs: number;
  credentials?: RequestCredentials | undefined;
}

export interface Answer {
  status: number;
  headers: Headers;
  text: string;
}

export type Fetch = typeof globalThis.fetch;

/** Sends the request and returns the answer whatever its status; `ConnectionFailed` when there is none. */
export async function send(wire: Wire, fetcher?: Fetch): Promise<Answer> {
  wire.signal?.throwIfAborted();
  const patience = new Stall(wire.stallMs, wire.signal);
  const watched: Wire = {
    ...wire,
    onSent: (bytes) => patience.alive(() => wire.onSent?.(bytes)),
    signal: patience.signal,
  };
  try {
    const byXhr = fetcher === undefined && wire.body instanceof Blob && typeof XMLHttpRequest !== "undefined";
    return await (byXhr ? sendByXhr(watched) : sendByFetch(watched, fetcher ?? globalThis.fetch));
  } catch (error) {
    wire.signal?.throwIfAborted(); // the caller's own wish, with the caller's own reason
    if (patience.over) throw new ConnectionFailed(`Nothing was heard for ${wire.stallMs / 1000} s.`);
    if (isUnreadable(error)) throw new SourceChanged("The file was changed or removed.", { cause: error });
    // No address in the message: an upload's is a secret.
    throw new ConnectionFailed("The server cannot be reached, or the line broke.", { cause: error });
  } finally {
    patience.end();
  }
}

/** Aborts a request when nothing has happened for a while, or when its caller wants it. */
class Stall {
  over = false;
  private ended = false;
  private readonly controller = new AbortController();
  private timer: ReturnType<typeof setTimeout> | undefined;
  private readonly ms: number;
  private readonly outer: AbortSignal | undefined;
  private readonly pass = () => this.controller.abort(this.outer?.reason);

  constructor(ms: number, outer: AbortSignal | undefined) {
    this.ms = ms;
    this.outer = outer;
    outer?.addEventListener("abort", this.pass);
    this.wind();
  }

  get signal(): AbortSignal {
    return this.controller.signal;
  }

  alive(then: () => void): void {
    this.wind();
    then();
  }

  end(): void {
    this.ended = true;
    clearTimeout(this.timer);
    this.outer?.removeEventListener("abort", this.pass);
  }

  private wind(): void {
    clearTimeout(this.timer);
    if (this.ended) return; // a body that is let go may still be read on, and a timer would keep Node from ending
    this.timer = setTimeout(() => {
      this.over = true;
      this.controller.abort();
    }, this.ms);
  }
}

async function sendByFetch(wire: Wire, fetcher: Fetch): Promise<Answer> {
  const { body, onSent } = wire;
  const counted = body instanceof Blob && onSent !== undefined && inNode() ? new CountedBlob(body, onSent) : body;
  const response = await fetcher(wire.url, {
    method: wire.method,
    headers: wire.headers,
    ...(counted === undefined ? {} : { body: counted }),
    ...(wire.signal === undefined ? {} : { signal: wire.signal }),
    ...(wire.credentials === undefined ? {} : { credentials: wire.credentials }),
  });
  return { status: response.status, headers: response.headers, text: await response.text() };
}

/** A blob that tells how much of it was read. Node's fetch takes length and type from the blob, and reads its stream. */
class CountedBlob extends Blob {
  private readonly onRead: (bytes: number) => void;

  constructor(blob: Blob, onRead: (bytes: number) => void) {
    super([blob], { type: blob.type });
    this.onRead = onRead;
  }

  override stream(): ReturnType<Blob["stream"]> {
    let read = 0;
    const count = new TransformStream<Uint8Array<ArrayBuffer>, Uint8Array<ArrayBuffer>>({
      transform: (chunk, controller) => {
        read += chunk.byteLength;
        this.onRead(read);
        controller.enqueue(chunk);
      },
    });
    return super.stream().pipeThrough(count);
  }
}

function sendByXhr(wire: Wire): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const xhr = new XMLHttpRequest();
    xhr.open(wire.method, wire.url);
    xhr.withCredentials = wire.credentials === "include";
    for (const [name, value] of Object.entries(wire.headers)) xhr.setRequestHeader(name, value);
    xhr.upload.onprogress = (event) => wire.onSent?.(event.loaded);
    xhr.onload = () => resolve({ status: xhr.status, headers: headersOf(xhr), text: xhr.responseText });
    xhr.onerror = () => reject(new TypeError("The request failed."));
    xhr.onabort = () => reject(wire.signal?.reason);
    wire.signal?.addEventListener("abort", () => xhr.abort(), { once: true });
    xhr.send(wire.body ?? null);
  });
}

function headersOf(xhr: XMLHttpRequest): Headers {
  const headers = new Headers();
  for (const line of xhr.getAllResponseHeaders().split("\r\n")) {
    const colon = line.indexOf(":");
    if (colon > 0) headers.append(line.slice(0, colon), line.slice(colon + 1).trim());
  }
  return headers;
}
