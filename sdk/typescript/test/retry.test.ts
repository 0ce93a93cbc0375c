import assert from "node:assert/strict";
import { test } from "node:test";
import { isPassing, pauseMs, readRetryAfter, USUAL_PATIENCE } from "../src/retry.ts";

test("pauses double up to the longest, and end with patience", () => {
  const pauses = [1, 2, 3, 4, 5, 6].map((attempt) => pauseMs(attempt, USUAL_PATIENCE, 0.999_99));
  assert.deepEqual(pauses, [500, 1_000, 2_000, 4_000, 8_000, null]);
  assert.equal(pauseMs(9, { ...USUAL_PATIENCE, attempts: 99 }, 0.999_99), USUAL_PATIENCE.longestPauseMs);
});

test("a pause is never shorter than the server asks for, and one that is too long is not made", () => {
  assert.equal(pauseMs(1, USUAL_PATIENCE, 0, 7), 7_000);
  assert.equal(pauseMs(1, USUAL_PATIENCE, 0, 3_600), null);
});

test("Retry-After is read as seconds, or as a time by the server's own clock", () => {
  const headers = (fields: Record<string, string>) => readRetryAfter(new Headers(fields));
  assert.equal(headers({ "retry-after": "12" }), 12);
  const date = "Wed, 21 Oct 2026 07:28:00 GMT";
  assert.equal(headers({ "retry-after": "Wed, 21 Oct 2026 07:28:30 GMT", date }), 30);
  assert.equal(headers({ "retry-after": "Wed, 21 Oct 2026 07:27:30 GMT", date }), 0);
  assert.equal(headers({ "retry-after": "soon", date }), undefined);
  assert.equal(headers({}), undefined);
});

test("refusals are not tried again, trouble is", () => {
  assert.deepEqual([400, 401, 403, 404, 409, 413, 422, 507].filter(isPassing), []);
  assert.deepEqual([408, 429, 500, 502, 503, 504].filter(isPassing), [408, 429, 500, 502, 503, 504]);
});
