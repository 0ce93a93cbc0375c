/** When to try again, and how long to wait before. Nothing here waits, asks a clock or draws a number by itself. */

/** How patient a client is. */
export interface Patience {
  /** Attempts in all, the first included. */
  attempts: number;
  /** Milliseconds of the first pause at most; each further one is up to twice as long. */
  firstPauseMs: number;
  /** Milliseconds of the longest pause. A server that asks for more is told of by an error instead. */
  longestPauseMs: number;
}

/** Six attempts within about half a minute: longer than a restart of the server, shorter than anybody's patience. */
export const USUAL_PATIENCE: Patience = { attempts: 6, firstPauseMs: 500, longestPauseMs: 30_000 };

/** Answers that may be another one a moment later; 507 is a full disk, which stays so. */
const PASSING: ReadonlySet<number> = new Set([408, 425, 429, 500, 502, 503, 504]);

/** Says whether the same request may succeed later. */
export function isPassing(status: number): boolean {
  return PASSING.has(status);
}

/**
 * Returns the milliseconds to wait after the attempt of that number (from 1), null when there should be no other.
 * `random` is from [0, 1): clients that failed together must not come back together ("full jitter").
 */
export function pauseMs(attempt: number, patience: Patience, random: number, retryAfter?: number): number | null {
  if (attempt >= patience.attempts) return null;
  const asked = (retryAfter ?? 0) * 1000;
  if (asked > patience.longestPauseMs) return null;
  const most = Math.min(patience.firstPauseMs * 2 ** (attempt - 1), patience.longestPauseMs);
  return asked + Math.round(most * random);
}

/** Returns for how many seconds the server asks us to wait (RFC 9110 §10.2.3), undefined when it does not say. */
export function readRetryAfter(headers: Headers): number | undefined {
  const value = headers.get("retry-after") ?? "";
  if (/^\d{1,9}$/.test(value)) return Number(value);
  // A time of day is held against the server's own clock: ours may be wrong.
  const seconds = (Date.parse(value) - Date.parse(headers.get("date") ?? "")) / 1000;
  return Number.isNaN(seconds) ? undefined : Math.max(0, seconds);
}
