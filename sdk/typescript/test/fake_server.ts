/** A server in memory: it answers what a test says, and notes what it was asked. */

import type { ClientOptions } from "../src/api.ts";
import { Tintype } from "../src/index.ts";
import type { Image, UploadLink } from "../src/model.ts";

export interface Asked {
  method: string;
  url: URL;
  headers: Headers;
  body: string;
}

/** What is answered: JSON, a whole answer, or an error of the line. */
export type Answer = object | Response | Error;

export const BASE = "https://images.example";

export class FakeServer {
  readonly asked: Asked[] = [];
  private readonly answer: (asked: Asked, number: number) => Answer | Promise<Answer>;

  constructor(answer: (asked: Asked, number: number) => Answer | Promise<Answer>) {
    this.answer = answer;
  }

  client(options: Partial<ClientOptions> = {}): Tintype {
    return new Tintype({
      url: BASE,
      apiKey: "ttk_test",
      fetch: this.fetch,
      retries: { firstWait: 0.001 },
      ...options,
    });
  }

  /** Each question as `METHOD /path`. */
  get paths(): string[] {
    return this.asked.map(({ method, url }) => `${method} ${url.pathname}`);
  }

  private readonly fetch: typeof fetch = async (input, init) => {
    const request = new Request(input, init);
    const asked = {
      method: request.method,
      url: new URL(request.url),
      headers: request.headers,
      body: await request.text(),
    };
    this.asked.push(asked);
    const answer = await Promise.race([this.answer(asked, this.asked.length), aborted(init?.signal)]);
    if (answer instanceof Error) throw answer;
    return answer instanceof Response ? answer : Response.json(answer);
  };
}

function aborted(signal: AbortSignal | null | undefined): Promise<never> {
  return new Promise((_, reject) => signal?.addEventListener("abort", () => reject(signal.reason)));
}

/** An answer as the API refuses. */
export function problem(status: number, code: string, headers: Record<string, string> = {}): Response {
  const document = { title: "No", detail: "It cannot be.", code, status, request_id: "req_1" };
  return Response.json(document, { status, headers: { ...headers, "content-type": "application/problem+json" } });
}

export function image(more: Partial<Image> = {}): Image {
  return { id: "img_0000000000000000000001", state: "ready", deduplicated: false, ...more } as Image;
}

export function link(more: Partial<UploadLink> = {}): UploadLink {
  return {
    id: "upl_00000000001",
    image_id: "img_0000000000000000000001",
    state: "requested",
    method: "put",
    upload: { url: "https://storage.example/key?signature=secret", method: "PUT", headers: { "x-amz-sum": "1" } },
    write_token: "ttw_write",
    read_token: null,
    expires_at: "2026-11-21T00:00:00.000Z",
    api: `${BASE}/api/v1`,
    ...more,
  } as UploadLink;
}

/** A store in memory, as a page's is. */
export class MemoryStore {
  readonly items = new Map<string, string>();

  getItem(name: string): string | null {
    return this.items.get(name) ?? null;
  }

  setItem(name: string, value: string): void {
    this.items.set(name, value);
  }

  removeItem(name: string): void {
    this.items.delete(name);
  }
}

/** A JPEG by its first bytes, and so many in all. */
export function bytes(size: number): Uint8Array<ArrayBuffer> {
  const made = new Uint8Array(size);
  made.set([0xff, 0xd8, 0xff, 0xe0]);
  return made;
}
