import assert from "node:assert/strict";
import { test } from "node:test";
import { apiError } from "../src/errors.ts";
import {
  ApiError,
  Conflict,
  ConnectionFailed,
  Gone,
  IdempotencyMismatch,
  InvalidRequest,
  QuotaExceeded,
  SourceFailed,
  UploadExpired,
} from "../src/index.ts";
import { FakeServer, image, problem } from "./fake_server.ts";

const BROKEN = new TypeError("fetch failed");

test("a request over a broken line is sent again with the same Idempotency-Key", async () => {
  const server = new FakeServer((_, number) => (number < 3 ? BROKEN : image()));
  await server.client().fromUrl("https://elsewhere.example/a.jpg");
  const keys = server.asked.map(({ headers }) => headers.get("idempotency-key"));
  assert.equal(keys.length, 3);
  assert.match(keys[0] ?? "", /^[0-9a-f]{32}$/);
  assert.equal(new Set(keys).size, 1);
});

test("each call has a key of its own", async () => {
  const server = new FakeServer(() => image());
  await server.client().fromUrl("https://elsewhere.example/a.jpg");
  await server.client().fromUrl("https://elsewhere.example/a.jpg");
  assert.equal(new Set(server.asked.map(({ headers }) => headers.get("idempotency-key"))).size, 2);
});

test("a server that is not there is given up after so many attempts", async () => {
  const server = new FakeServer(() => BROKEN);
  await assert.rejects(server.client({ retries: { attempts: 3, firstWait: 0.001 } }).get("img_1"), ConnectionFailed);
  assert.equal(server.asked.length, 3);
});

test("Retry-After is waited for", async () => {
  const server = new FakeServer((_, n) => (n === 1 ? problem(503, "unavailable", { "retry-after": "1" }) : image()));
  const begun = performance.now();
  await server.client().get("img_1");
  assert.ok(performance.now() - begun >= 990);
});

test("a refusal is thrown at once, with its code, the fields and what the operator looks for", async () => {
  const fields = [{ field: "kind", message: "There is no kind 'x'." }];
  const document = {
    detail: "Some fields are not right.",
    code: "request.invalid",
    request_id: "req_7",
    errors: fields,
  };
  const server = new FakeServer(() => Response.json(document, { status: 422 }));
  await assert.rejects(server.client().fromUrl("https://elsewhere.example/a.jpg"), (error) => {
    assert.ok(error instanceof InvalidRequest && error instanceof ApiError);
    assert.deepEqual(
      [error.code, error.status, error.requestId, error.errors],
      ["request.invalid", 422, "req_7", fields],
    );
    assert.equal(error.message, "Some fields are not right. kind: There is no kind 'x'. (request.invalid)");
    return true;
  });
  assert.equal(server.asked.length, 1);
});

test("a code decides what its refusal is, else the status does", () => {
  const errorFor = (status: number, code: string) => apiError(status, JSON.stringify({ code }));
  assert.ok(errorFor(403, "quota.exceeded") instanceof QuotaExceeded);
  assert.ok(errorFor(410, "image.gone") instanceof Gone);
  assert.ok(errorFor(410, "upload.aborted") instanceof UploadExpired);
  assert.ok(errorFor(422, "source.unreachable") instanceof SourceFailed);
  assert.ok(errorFor(409, "idempotency.mismatch") instanceof IdempotencyMismatch);
  assert.ok(errorFor(409, "a.code.of.tomorrow") instanceof Conflict);
  assert.equal(apiError(502, "<html>").code, "http.502");
  assert.equal(errorFor(410, "image.gone").name, "Gone");
});

test("an answer that is no JSON says that the address may be wrong", async () => {
  const server = new FakeServer(() => new Response("<html>Welcome</html>"));
  await assert.rejects(server.client().get("img_1"), /Is this the address of a Tintype server/);
});

test("a client without an address says what it needs", () => {
  assert.throws(() => new FakeServer(() => image()).client({ url: "images.example" }), /url: "https/);
});

test("an id cannot lead to another path", async () => {
  const server = new FakeServer(() => image());
  await server.client().get("../keys?x#y");
  await server.client().delete("../keys?x#y");
  for (const { url } of server.asked) assert.equal(url.pathname, "/api/v1/images/..%2Fkeys%3Fx%23y");
});

test("a list asks for the next page only when it is wanted", async () => {
  const pages = [
    { items: [image({ id: "img_a" }), image({ id: "img_b" })], next: "c1" },
    { items: [image({ id: "img_c" })], next: null },
  ];
  const server = new FakeServer((_, number) => pages[number - 1] ?? BROKEN);
  const ids: string[] = [];
  for await (const { id } of server.client().list({ kind: "avatar", attachedTo: { type: "shop", id: "4:2" } })) {
    ids.push(id);
    if (id === "img_b") assert.equal(server.asked.length, 1);
  }
  assert.deepEqual(ids, ["img_a", "img_b", "img_c"]);
  const [first, second] = server.asked.map(({ url }) => Object.fromEntries(url.searchParams));
  assert.deepEqual(first, { kind: "avatar", attached_to: "shop:4:2", limit: "100" });
  assert.deepEqual(second, { ...first, cursor: "c1" });
});

test("changes are a merge patch: null clears, what is not named is not sent", async () => {
  const server = new FakeServer(() => image());
  await server
    .client()
    .update("img_1", { title: null, expiresAt: "2030-01-01T00:00:00Z", attachTo: "shop:7", alt: undefined });
  assert.deepEqual(JSON.parse(server.asked[0]?.body ?? ""), {
    title: null,
    expires_at: "2030-01-01T00:00:00Z",
    attach_to: { type: "shop", id: "7" },
  });
});

test("an abort ends the pause between attempts, with the caller's reason", async () => {
  const controller = new AbortController();
  const server = new FakeServer(() => {
    setTimeout(() => controller.abort(new Error("changed my mind")), 5);
    return BROKEN;
  });
  const retries = { firstWait: 100, longestWait: 100 };
  await assert.rejects(server.client({ retries }).get("img_1", { signal: controller.signal }), /changed my mind/);
});

test("a server that says nothing is given up", async () => {
  const server = new FakeServer(() => new Promise(() => {}));
  const client = server.client({ timeout: 0.01, retries: { attempts: 1 } });
  await assert.rejects(client.get("img_1"), /Nothing was heard/);
});
