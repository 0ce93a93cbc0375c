import assert from "node:assert/strict";
import { test } from "node:test";
import { isPassing, readRetryAfter, USUAL_RETRIES, waitBefore } from "../src/retry.ts";

test("waits double up to the longest, and end with the attempts", () => {
  const longest = [2, 3, 4, 5, 6, 7, 8].map((attempt) => waitBefore(attempt, USUAL_RETRIES, 1));
  assert.deepEqual(longest, [500, 1_000, 2_000, 4_000, 8_000, 16_000, null]);
  assert.equal(waitBefore(50, { ...USUAL_RETRIES, attempts: 99 }, 1), 20_000);
  assert.equal(waitBefore(2, USUAL_RETRIES, 0), 250);
});

test("a wait is never shorter than the server asks for, and one that is too long is not made", () => {
  assert.equal(waitBefore(2, USUAL_RETRIES, 0, 7), 7_000);
  assert.equal(waitBefore(2, USUAL_RETRIES, 0, 121), null);
});

test("Retry-After is read as seconds, or as a time by the server's own clock", () => {
  const read = (fields: Record<string, string>) => readRetryAfter(new Headers(fields));
  assert.equal(read({ "retry-after": "12" }), 12);
  const date = "Wed, 21 Oct 2026 07:28:00 GMT";
  assert.equal(read({ "retry-after": "Wed, 21 Oct 2026 07:28:30 GMT", date }), 30);
  assert.equal(read({ "retry-after": "Wed, 21 Oct 2026 07:27:30 GMT", date }), 0);
  assert.equal(read({ "retry-after": "soon", date }), undefined);
  assert.equal(read({}), undefined);
});

test("bytes that were damaged on their way are sent again", () => {
  assert.ok(isPassing(422, "upload.checksum_mismatch") && isPassing(400, "upload.incomplete"));
});

test("refusals are not tried again, trouble is", () => {
  assert.deepEqual(
    [400, 401, 403, 404, 409, 413, 422, 507].filter((status) => isPassing(status)),
    [],
  );
  assert.deepEqual(
    [408, 429, 500, 502, 503, 504].filter((status) => isPassing(status)),
    [408, 429, 500, 502, 503, 504],
  );
});
