import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { test } from "node:test";
import { ConnectionFailed, type Progress, TintypeError } from "../src/index.ts";
import { DIRECT_BYTES, methodFor, PATIENT_BYTES, PUT_BYTES } from "../src/upload.ts";
import { type Asked, bytes, FakeServer, image, link, problem } from "./fake_server.ts";

const BROKEN = new TypeError("fetch failed");

test("the size decides the door, and in a browser a slow line does, and that it is to be resumed", () => {
  assert.deepEqual(
    [0, DIRECT_BYTES, DIRECT_BYTES + 1, PUT_BYTES, PUT_BYTES + 1].map((size) => methodFor(size)),
    ["direct", "direct", "put", "put", "multipart"],
  );
  assert.equal(methodFor(PATIENT_BYTES + 1, "3g"), "tus");
  assert.equal(methodFor(PATIENT_BYTES, "3g"), "direct");
  assert.equal(methodFor(PATIENT_BYTES + 1, "4g"), "direct");
  assert.equal(methodFor(10, "4g", true), "tus");
  assert.equal(methodFor(PUT_BYTES + 1, "4g", true), "multipart");
});

test("a small file goes in one request, with its type, its digest and what is said of it", async () => {
  const server = new FakeServer(() => image());
  const file = bytes(1000);
  await server
    .client()
    .upload(file, { kind: "avatar", title: "Ünal & Co", attachTo: "shop:7", tags: ["a", "b"], expiresIn: 60 });
  const [asked] = server.asked;
  assert.deepEqual(server.paths, ["POST /api/v1/images"]);
  assert.deepEqual(Object.fromEntries(asked?.url.searchParams ?? []), {
    kind: "avatar",
    title: "Ünal & Co",
    attach_type: "shop",
    attach_id: "7",
    tags: "a,b",
    expires_in: "60",
  });
  const digest = createHash("sha256").update(file).digest("base64");
  assert.equal(asked?.headers.get("content-type"), "image/jpeg");
  assert.equal(asked?.headers.get("content-digest"), `sha-256=:${digest}:`);
  assert.equal(asked?.headers.get("authorization"), "Bearer ttk_test");
});

test("your own Idempotency-Key is sent", async () => {
  const server = new FakeServer(() => image());
  await server.client().upload(bytes(10), { idempotencyKey: "order-7" });
  assert.equal(server.asked[0]?.headers.get("idempotency-key"), "order-7");
});

test("progress goes up to the whole, and says when the server is at work and when it is done", async () => {
  const seen: Progress[] = [];
  const server = new FakeServer(() => image());
  await server.client().upload(bytes(300_000), { onProgress: (progress) => seen.push(progress) });
  assert.ok(seen.every(({ total }) => total === 300_000));
  assert.deepEqual(seen.slice(-2), [
    { sent: 300_000, total: 300_000, phase: "processing" },
    { sent: 300_000, total: 300_000, phase: "done" },
  ]);
});

test("a put goes to storage with what its signature asks for, and without the key", async () => {
  const server = new FakeServer(({ url }) => (url.pathname.endsWith("/uploads") ? link() : image()));
  await server.client().upload(bytes(10), { method: "put", visibility: "private" });
  assert.deepEqual(server.paths, ["POST /api/v1/uploads", "PUT /key", "POST /api/v1/uploads/upl_00000000001/complete"]);
  const [reserve, put, complete] = server.asked as [Asked, Asked, Asked];
  const digest = createHash("sha256").update(bytes(10)).digest("hex");
  assert.deepEqual(JSON.parse(reserve.body), {
    ...{ method: "put", size: 10, content_type: "image/jpeg", sha256: digest, visibility: "private" },
  });
  assert.deepEqual([put.headers.get("authorization"), put.headers.get("x-amz-sum")], [null, "1"]);
  assert.equal(put.body.length > 0, true);
  assert.equal(complete.headers.get("upload-token"), "ttw_write");
});

/** Plays a server with parts of 4 bytes, whose storage has some already. */
function partsServer(
  there: readonly number[],
  trouble: (asked: Asked) => Response | Error | undefined = () => undefined,
  etags: "shown" | "hidden" = "shown",
) {
  const parts = new Map(there.map((number) => [number, `"e${number}"`]));
  const listed = () => [...parts].map(([number, etag]) => ({ number, etag, size: 4 }));
  return new FakeServer((asked) => {
    const { method, url, body } = asked;
    const refused = trouble(asked);
    if (refused) return refused;
    if (method === "PUT") {
      const number = Number(url.searchParams.get("part"));
      parts.set(number, `"e${number}"`);
      return new Response(null, etags === "shown" ? { headers: { etag: `"e${number}"` } } : {});
    }
    if (url.pathname.endsWith("/parts")) return { parts: JSON.parse(body).numbers.map((n: number) => part(n, "new")) };
    return method === "GET" ? { state: "receiving", parts: listed() } : image();
  });
}

const part = (number: number, signature = "old") => ({
  number,
  url: `https://storage.example/key?part=${number}&signature=${signature}`,
});

const PARTED = link({ method: "multipart", part_size: 4, parts: [part(1), part(2), part(3)] });

test("of an upload in parts, what is there is not sent again, and all is completed in order", async () => {
  const server = partsServer([2]);
  await server.client().uploadTo(PARTED, bytes(10));
  assert.deepEqual(
    server.asked.filter(({ method }) => method === "PUT").map(({ url }) => url.searchParams.get("part")),
    ["1", "3"],
  );
  const complete = server.asked.at(-1);
  assert.deepEqual(
    JSON.parse(complete?.body ?? "").parts,
    [1, 2, 3].map((number) => ({ number, etag: `"e${number}"` })),
  );
  assert.ok(
    server.asked.every(({ headers }) => headers.get("authorization") === null),
    "a link's holder has no key",
  );
});

test("the progress of parts side by side never passes the whole", async () => {
  const seen: Progress[] = [];
  await partsServer([2])
    .client()
    .uploadTo(PARTED, bytes(10), { onProgress: (progress) => seen.push(progress) });
  assert.equal(seen[0]?.sent, 4);
  assert.ok(seen.every(({ sent }) => sent <= 10));
  assert.deepEqual(seen.at(-1), { sent: 10, total: 10, phase: "done" });
});

test("an upload that an earlier attempt has begun is looked at first", async () => {
  const server = new FakeServer(({ url }) =>
    url.pathname.endsWith("/uploads") ? link() : { ...image(), state: "committed" },
  );
  await server.client().upload(bytes(10), { method: "put", idempotencyKey: "order-7", wait: false });
  assert.deepEqual(server.paths.slice(0, 2), ["POST /api/v1/uploads", "GET /api/v1/uploads/upl_00000000001"]);
  assert.ok(!server.paths.includes("PUT /key"));
});

test("what was reserved for a file that is refused is given back", async () => {
  const server = new FakeServer(({ method }) => (method === "PUT" ? problem(415, "image.unsupported_format") : link()));
  await assert.rejects(server.client().upload(bytes(10), { method: "put" }), TintypeError);
  await new Promise((resolve) => setTimeout(resolve, 20));
  assert.equal(server.paths.at(-1), "DELETE /api/v1/uploads/upl_00000000001");
});

test("a part whose line breaks is sent again alone", async () => {
  let broken = 0;
  const server = partsServer([], ({ url }) =>
    url.searchParams.get("part") === "2" && broken++ < 2 ? BROKEN : undefined,
  );
  await server.client().uploadTo(PARTED, bytes(10));
  const sent = server.asked.filter(({ method }) => method === "PUT").map(({ url }) => url.searchParams.get("part"));
  assert.deepEqual(sent.sort(), ["1", "2", "2", "2", "3"]);
});

test("a part whose address is over gets a new one", async () => {
  const over = ({ url }: Asked) =>
    url.search.includes("signature=old") ? new Response("<Error/>", { status: 403 }) : undefined;
  const server = partsServer([], over);
  await server.client().uploadTo(PARTED, bytes(10));
  assert.equal(server.paths.at(-1), "POST /api/v1/uploads/upl_00000000001/complete");
});

test("where storage hides the ETag from the page, the server is asked for it", async () => {
  const server = partsServer([], () => undefined, "hidden");
  await server.client().uploadTo(PARTED, bytes(10));
  assert.match(server.asked.at(-1)?.body ?? "", /e1.*e2.*e3/);
});

test("an upload whose line stays broken says where it can go on, and no log shows that", async () => {
  const server = partsServer([1], ({ method }) => (method === "PUT" ? BROKEN : undefined));
  const client = server.client({ retries: { attempts: 2, firstWait: 0.001 } });
  await assert.rejects(client.uploadTo(PARTED, bytes(10)), (error) => {
    assert.ok(error instanceof ConnectionFailed);
    assert.deepEqual(error.link, PARTED);
    assert.ok(!Object.keys(error).includes("link"));
    return true;
  });
});

test("an upload that arrived although its answer was lost is not sent again", async () => {
  const server = new FakeServer(({ url }) => (url.pathname.includes("/uploads/") ? { state: "received" } : image()));
  await server.client().uploadTo(link(), bytes(10));
  assert.deepEqual(server.paths, ["GET /api/v1/uploads/upl_00000000001", `GET /api/v1/images/${link().image_id}`]);
});

test("who aborts gets their own reason, and the server is told to forget the upload", async () => {
  const controller = new AbortController();
  const server = partsServer([], ({ method }) => {
    if (method === "PUT") controller.abort(new Error("enough"));
    return undefined;
  });
  await assert.rejects(server.client().uploadTo(PARTED, bytes(10), { signal: controller.signal }), /enough/);
  await new Promise((resolve) => setTimeout(resolve, 20));
  assert.equal(server.paths.at(-1), "DELETE /api/v1/uploads/upl_00000000001");
});

test("a refusal is not tried again, and its message has no address", async () => {
  const server = new FakeServer(({ method }) =>
    method === "PUT" ? problem(415, "image.unsupported_format") : { state: "requested" },
  );
  await assert.rejects(server.client().uploadTo(link(), bytes(10)), (error) => {
    assert.ok(error instanceof TintypeError && error.name === "UnsupportedFormat");
    assert.ok(!String(error.stack).includes("secret"));
    return true;
  });
});

test("with wait: false the image is returned as it is", async () => {
  const server = new FakeServer(() => image({ state: "processing" }));
  assert.equal((await server.client().upload(bytes(10), { wait: false })).state, "processing");
});
