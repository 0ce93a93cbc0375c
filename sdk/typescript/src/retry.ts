/** Which failures pass by themselves, and how long to wait before the next attempt. Nothing here waits by itself. */

/** How patient a client is; times in seconds. */
export interface RetryPolicy {
  /** In a row, the first included; 1 never tries again. */
  attempts: number;
  /** About how long before the second attempt, doubled before each one after. */
  firstWait: number;
  longestWait: number;
  /** A server that asks for a longer wait than this is not waited for: the refusal is thrown at once. */
  longestRetryAfter: number;
}

export const USUAL_RETRIES: RetryPolicy = { attempts: 7, firstWait: 0.5, longestWait: 20, longestRetryAfter: 120 };

/** Answers that may be another one in a moment; every request that is sent again is safe to repeat. */
const PASSING: ReadonlySet<number> = new Set([408, 425, 429, 500, 502, 503, 504]);

/** Refusals of bytes that were lost or damaged on their way: sent again, they may arrive. */
const PASSING_CODES: ReadonlySet<string> = new Set(["upload.incomplete", "upload.checksum_mismatch"]);

/** Says whether the same request may succeed later. A full disk (507) stays so. */
export function isPassing(status: number, code = ""): boolean {
  return PASSING.has(status) || PASSING_CODES.has(code);
}

/**
 * Returns the milliseconds to wait before the attempt of that number (the second is 2), null to give up. `random` is
 * from [0, 1): many clients that lost the same server must not all come back in the same moment.
 */
export function waitBefore(attempt: number, policy: RetryPolicy, random: number, retryAfter?: number): number | null {
  if (attempt > policy.attempts) return null;
  if (retryAfter !== undefined) {
    return retryAfter > policy.longestRetryAfter ? null : 1000 * (retryAfter + policy.firstWait * random);
  }
  return 1000 * Math.min(policy.longestWait, policy.firstWait * 2 ** (attempt - 2)) * (0.5 + random / 2);
}

/** Returns for how many seconds the server asks us to wait (RFC 9110 §10.2.3), undefined when it does not say. */
export function readRetryAfter(headers: Headers): number | undefined {
  const value = headers.get("retry-after") ?? "";
  if (/^\d{1,9}$/.test(value)) return Number(value);
  // A time of day is held against the server's own clock: ours may be wrong.
  const seconds = (Date.parse(value) - Date.parse(headers.get("date") ?? "")) / 1000;
  return Number.isNaN(seconds) ? undefined : Math.max(0, seconds);
}
