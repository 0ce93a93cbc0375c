import assert from "node:assert/strict";
import { test } from "node:test";
import { ConnectionFailed, TintypeError, type UploadLink } from "../src/index.ts";
import { type Answer, type Asked, bytes, FakeServer, image, link, MemoryStore, problem } from "./fake_server.ts";

const OPTIONS = { resume: true, method: "put" } as const;
const LATER = new Date(Date.now() + 3_600_000).toISOString();

/** Plays a server with one upload, whose storage answers as said. */
function serverOf(
  storage: () => Answer,
  more: Partial<UploadLink> = {},
  state: (asked: Asked) => Answer = () => ({ state: "requested" }),
) {
  return new FakeServer((asked) => {
    if (asked.method === "PUT") return storage();
    if (asked.url.pathname.endsWith("/uploads")) return link({ expires_at: LATER, ...more });
    return asked.url.pathname.includes("/uploads/") && asked.method === "GET" ? state(asked) : image();
  });
}

const BROKEN = () => new TypeError("fetch failed");
const FINE = () => new Response(null);

async function interrupted(store: MemoryStore, expires_at = LATER): Promise<void> {
  const client = serverOf(BROKEN, { expires_at }).client({ store, retries: { attempts: 1 } });
  await assert.rejects(client.upload(bytes(10), OPTIONS), ConnectionFailed);
  assert.equal(store.items.size, 1);
}

test("the same upload goes on by the link that was kept, which is forgotten when it is done", async () => {
  const store = new MemoryStore();
  await interrupted(store);
  const server = serverOf(FINE);
  await server.client({ store }).upload(bytes(10), OPTIONS);
  assert.equal(server.paths[0], "GET /api/v1/uploads/upl_00000000001");
  assert.ok(!server.paths.includes("POST /api/v1/uploads"));
  assert.equal(store.items.size, 0);
});

test("another file, or the same one of another kind, is another upload", async () => {
  const store = new MemoryStore();
  await interrupted(store);
  for (const [file, options] of [
    [bytes(11), OPTIONS],
    [bytes(10), { ...OPTIONS, kind: "avatar" }],
  ] as const) {
    const server = serverOf(FINE);
    await server.client({ store }).upload(file, options);
    assert.equal(server.paths[0], "POST /api/v1/uploads");
  }
  assert.equal(store.items.size, 1);
});

test("an upload whose time is over begins anew, whoever noticed", async () => {
  const store = new MemoryStore();
  await interrupted(store, new Date(Date.now() - 1000).toISOString());
  const server = serverOf(FINE);
  await server.client({ store }).upload(bytes(10), OPTIONS);
  assert.equal(server.paths[0], "POST /api/v1/uploads");

  await interrupted(store);
  const forgetful = serverOf(FINE, {}, () => problem(410, "upload.expired"));
  await forgetful.client({ store }).upload(bytes(10), OPTIONS);
  assert.deepEqual(forgetful.paths.slice(0, 2), ["GET /api/v1/uploads/upl_00000000001", "POST /api/v1/uploads"]);
});

test("nothing is kept of an upload that was refused", async () => {
  const store = new MemoryStore();
  const client = serverOf(() => problem(422, "upload.size_mismatch")).client({ store });
  await assert.rejects(client.upload(bytes(10), OPTIONS), TintypeError);
  assert.equal(store.items.size, 0);
});

test("what was kept and cannot be read is as good as nothing", async () => {
  const store = new MemoryStore();
  await interrupted(store);
  for (const name of store.items.keys()) store.setItem(name, "{");
  await serverOf(FINE).client({ store }).upload(bytes(10), OPTIONS);
  assert.equal(store.items.size, 0);
});

test("Node is told that it has no store of its own", async () => {
  await assert.rejects(serverOf(FINE).client().upload(bytes(10), OPTIONS), /new Tintype\(\{ store/);
});
