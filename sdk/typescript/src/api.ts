/** Calls of the API: credential, JSON, errors by their code, and another attempt where one may help. */

import { toHex } from "./digest.ts";
import { type ApiError, apiError, ConnectionFailed, TintypeError } from "./errors.ts";
import { type Store, usualStore } from "./resume.ts";
import { isPassing, type RetryPolicy, readRetryAfter, USUAL_RETRIES, waitBefore } from "./retry.ts";
import { type Answer, type Fetch, send } from "./wire.ts";

/** How to reach a server, and as whom. */
export interface ClientOptions {
  /** Where Tintype is: `https://images.example`. Default: the page's own origin. */
  url?: string | undefined;
  /** An API key (`ttk_…`) or session token (`tts_…`). It goes to the API alone, never to a storage. */
  apiKey?: string | undefined;
  /** Further headers for each call of the API, such as `X-CSRF-Token` beside a session's cookie. */
  headers?: Record<string, string> | (() => Record<string, string>) | undefined;
  /** `include` sends the session's cookie to an API of another origin. */
  credentials?: RequestCredentials | undefined;
  retries?: Partial<RetryPolicy> | undefined;
  /** Seconds without a sign of life after which a connection counts as broken. Default one minute. */
  timeout?: number | undefined;
  /** Where links of uploads with `resume` are kept. Default: the page's `localStorage`. */
  store?: Store | undefined;
  /** Instead of the global one; then bytes go by it in browsers, too. */
  fetch?: Fetch | undefined;
}

/** One call. Of `json` and `body` one at most. */
export interface Call {
  query?: Record<string, string | undefined> | undefined;
  json?: unknown;
  body?: Blob | undefined;
  headers?: Record<string, string> | undefined;
  onSent?: ((bytes: number) => void) | undefined;
  signal?: AbortSignal | undefined;
}

const USUAL_TIMEOUT_SECONDS = 60;
const KEY_BYTES = 16; // as many random bits as a UUID has

/** Headers that a browser sets itself and lets nobody else set. */
const SET_BY_THE_LINE: ReadonlySet<string> = new Set(["content-length", "host"]);

export class Api {
  /** The address below which all calls are, without a slash at its end. */
  readonly base: string;
  private readonly options: ClientOptions;
  private readonly retries: RetryPolicy;

  constructor(options: ClientOptions, base = baseOf(options.url ?? globalThis.location?.origin ?? "")) {
    this.options = options;
    this.base = base;
    if (!/^https?:\/\//.test(this.base)) throw new TypeError('Say where Tintype is: { url: "https://…" }.');
    this.retries = { ...USUAL_RETRIES, ...options.retries };
  }

  /** Returns the same way to call, without the credential: what a one-time link is for needs none. */
  asStranger(base = this.base): Api {
    const { apiKey: _apiKey, headers: _headers, credentials: _credentials, ...rest } = this.options;
    return new Api(rest, base);
  }

  /** Returns where links are kept. */
  store(): Store {
    return this.options.store ?? usualStore();
  }

  /** Returns the JSON of the answer (undefined without any); throws the error that a refusal is. */
  async call<T>(method: string, path: string, call: Call = {}): Promise<T> {
    const { json, query, headers, ...rest } = call;
    const url = `${this.base}${path}${queryOf(query)}`;
    const sent = {
      ...this.credential(),
      ...(method === "POST" ? { "idempotency-key": newKey() } : {}), // one for all attempts: it is done once
      ...(json === undefined ? {} : { "content-type": "application/json" }),
      ...headers,
    };
    const body = json === undefined ? rest.body : JSON.stringify(json);
    const answer = await this.persist({
      ...rest,
      method,
      url,
      headers: sent,
      body,
      credentials: this.options.credentials,
    });
    return readJson<T>(answer);
  }

  /** Sends bytes to a signed address, which may be another system's: only with the headers that it asks for. */
  async putBytes(
    method: string,
    url: string,
    headers: Record<string, string>,
    body: Blob,
    call: Call = {},
  ): Promise<Answer> {
    const sent = Object.entries(headers).filter(([name]) => !SET_BY_THE_LINE.has(name.toLowerCase()));
    return await this.persist({
      ...call,
      method,
      url: new URL(url, this.base).href,
      headers: Object.fromEntries(sent),
      body,
    });
  }

  /** Sends until there is an answer that will not change by sending again, or patience has ended. */
  private async persist(wire: Omit<Parameters<typeof send>[0], "stallMs">): Promise<Answer> {
    const stallMs = 1000 * (this.options.timeout ?? USUAL_TIMEOUT_SECONDS);
    for (let attempt = 1; ; attempt++) {
      const outcome = await send({ ...wire, stallMs }, this.options.fetch).catch(orConnectionFailed);
      if (!(outcome instanceof ConnectionFailed) && outcome.status < 400) return outcome;
      const error = outcome instanceof ConnectionFailed ? outcome : refusal(outcome);
      const pause = this.pauseAfter(attempt, error);
      if (pause === null) throw error;
      await sleep(pause, wire.signal);
    }
  }

  private pauseAfter(attempt: number, error: ConnectionFailed | ApiError): number | null {
    if (error instanceof ConnectionFailed) return waitBefore(attempt + 1, this.retries, Math.random());
    return isPassing(error.status, error.code)
      ? waitBefore(attempt + 1, this.retries, Math.random(), error.retryAfter)
      : null;
  }

  private credential(): Record<string, string> {
    const { apiKey, headers } = this.options;
    return {
      ...(apiKey === undefined ? {} : { authorization: `Bearer ${apiKey}` }),
      ...(typeof headers === "function" ? headers() : headers),
    };
  }
}

/** Returns the header that a write token goes into, and nowhere else. */
export function writeToken(token: string | undefined): Record<string, string> {
  return token === undefined ? {} : { "upload-token": token };
}

/** Returns the address of the API of the server that is there. */
function baseOf(url: string): string {
  return `${url.replace(/\/+$/, "")}/api/v1`;
}

function orConnectionFailed(error: unknown): ConnectionFailed {
  if (error instanceof ConnectionFailed) return error;
  throw error;
}

function refusal(answer: Answer): ApiError {
  return apiError(answer.status, answer.text, readRetryAfter(answer.headers));
}

function readJson<T>(answer: Answer): T {
  if (answer.text === "") return undefined as T;
  try {
    return JSON.parse(answer.text) as T;
  } catch (cause) {
    const message = "The answer is not JSON. Is this the address of a Tintype server?";
    throw new TintypeError(message, { cause });
  }
}

function queryOf(query: Record<string, string | undefined> = {}): string {
  const given = Object.entries(query).filter((pair): pair is [string, string] => pair[1] !== undefined);
  return given.length > 0 ? `?${new URLSearchParams(given)}` : "";
}

function newKey(): string {
  return toHex(crypto.getRandomValues(new Uint8Array(KEY_BYTES)));
}

/** Waits, unless the signal says that nobody waits any more. */
export function sleep(ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    signal?.throwIfAborted();
    const stop = () => {
      clearTimeout(timer);
      reject(signal?.reason);
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener("abort", stop);
      resolve();
    }, ms);
    signal?.addEventListener("abort", stop, { once: true });
  });
}
