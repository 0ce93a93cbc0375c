import assert from "node:assert/strict";
import { test } from "node:test";
import { ImageRejected, NotReady } from "../src/index.ts";
import { FakeServer, image } from "./fake_server.ts";

const WORKING = image({ state: "processing", delete_token: "ttw_delete", deduplicated: true });

test("waiting asks the server to hold its answer back, and keeps what was told once", async () => {
  const server = new FakeServer((_, number) =>
    image({ state: number < 2 ? "processing" : "ready", deduplicated: false }),
  );
  const ready = await server.client().wait(WORKING);
  assert.deepEqual([ready.state, ready.delete_token, ready.deduplicated], ["ready", "ttw_delete", true]);
  for (const { headers } of server.asked) {
    assert.deepEqual([headers.get("prefer"), headers.get("upload-token")], ["wait=10", "ttw_delete"]);
  }
});

test("an image that is ready is not asked for", async () => {
  const server = new FakeServer(() => image());
  assert.equal((await server.client().wait(image())).state, "ready");
  assert.equal(server.asked.length, 0);
});

test("an image that is refused after all is an error with its reason", async () => {
  const server = new FakeServer(() => image({ state: "rejected", state_reason: "image.malformed" }));
  await assert.rejects(server.client().wait(WORKING), (error) => {
    assert.ok(error instanceof ImageRejected);
    assert.deepEqual([error.reason, error.image.state], ["image.malformed", "rejected"]);
    return true;
  });
});

test("waiting ends with the patience of who waits, and tells what there is", async () => {
  const server = new FakeServer(() => WORKING);
  await assert.rejects(server.client().wait(WORKING, { timeout: 0.3 }), (error) => {
    assert.ok(error instanceof NotReady);
    assert.equal(error.image.state, "processing");
    return true;
  });
  assert.ok(server.asked.length < 5, "it was asked again and again");
});
