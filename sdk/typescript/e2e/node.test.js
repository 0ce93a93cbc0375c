/**
 * The client in Node against the product itself, as tests/browser/test_typescript_client.py starts it: its address and
 * key, and pictures to send, come in the environment. It is the built package that is tested, by its own name.
 */

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { once } from "node:events";
import { readFile, stat } from "node:fs/promises";
import { createServer } from "node:http";
import { join } from "node:path";
import { after, before, test } from "node:test";
import {
  Gone,
  ImageRejected,
  InvalidRequest,
  NotFound,
  SourceFailed,
  Tintype,
  UnsupportedFormat,
  uploadTo,
  verifyWebhook,
  WebhookInvalid,
} from "@tintype/client";
import { Cutter } from "./cutter.js";

const { TINTYPE_URL: url, TINTYPE_API_KEY: apiKey, PICTURES: pictures } = process.env;
const PHOTO = join(pictures, "photo.jpg");
const LARGE = join(pictures, "large.png"); // of two parts

const client = new Tintype({ url, apiKey });
const stranger = new Tintype({ url });
const cutter = new Cutter(url);

before(() => cutter.open());
after(() => cutter.close());

/** Returns whether the original that is delivered is the file that was sent. */
async function isWhole(image, path) {
  const digest = (bytes) => createHash("sha256").update(bytes).digest("hex");
  return image.source_sha256 === digest(await readFile(path)) && image.bytes > 0;
}

test("a file is uploaded, and its thumbnails can be had", async () => {
  const image = await client.upload(PHOTO, { title: "Lisbon", attachTo: "product:4711", tags: ["tram", "hill"] });
  assert.deepEqual([image.state, image.title, image.tags], ["ready", "Lisbon", ["tram", "hill"]]);
  assert.deepEqual(image.attached_to, { type: "product", id: "4711" });
  assert.ok(await isWhole(image, PHOTO));
  assert.equal((await fetch(image.thumbnails.thumb)).status, 200);
});

test("what is no picture is refused by every door, with its code", async () => {
  const text = new TextEncoder().encode("This is no picture at all.");
  await assert.rejects(
    client.upload(text),
    (error) => error instanceof UnsupportedFormat && error.requestId !== undefined,
  );
  const link = await client.createUpload({ size: text.length, contentType: "image/png" });
  await assert.rejects(
    uploadTo(link, text),
    (error) => error instanceof ImageRejected && error.reason === "image.unsupported_format",
  );
  await assert.rejects(
    client.upload(PHOTO, { kind: "nonsense" }),
    (error) => error instanceof InvalidRequest && error.errors[0].field === "kind",
  );
});

test("put and multipart come to the same, with progress", async () => {
  for (const [method, path] of [
    ["put", PHOTO],
    ["multipart", LARGE],
    ["tus", LARGE],
  ]) {
    const seen = [];
    const image = await client.upload(path, { method, title: method, onProgress: (progress) => seen.push(progress) });
    assert.deepEqual([image.state, image.title], ["ready", method]);
    assert.ok(await isWhole(image, path));
    assert.ok(seen.some(({ sent, phase }) => phase === "sending" && sent > 0));
    assert.equal(seen.at(-1).phase, "done");
  }
});

test("a line that breaks half way is no more than a delay, and tus goes on where it was", async () => {
  const patient = new Tintype({ url: cutter.url, apiKey, retries: { firstWait: 0.05 } });
  for (const [method, path, before] of [
    ["direct", PHOTO, 20_000],
    ["put", PHOTO, 20_000],
    ["multipart", LARGE, 8_600_000],
    ["tus", LARGE, 6_000_000],
  ]) {
    cutter.cutOnceAfter(before);
    assert.ok(await isWhole(await patient.upload(path, { method }), path), method);
    assert.equal(cutter.cuts, 1, method);
  }
  const { size } = await stat(LARGE);
  assert.ok(cutter.bytes < size + 3_000_000, `of tus all was sent again: ${cutter.bytes} of ${size} bytes`);
});

test("an upload goes on where another process left it", async () => {
  const blob = new Blob([await readFile(LARGE)]);
  const link = await client.createUpload({ size: blob.size, contentType: "image/png", method: "multipart" });
  const [first] = link.parts;
  assert.equal((await fetch(first.url, { method: "PUT", body: blob.slice(0, link.part_size) })).status, 200);
  const handedOn = JSON.parse(JSON.stringify(link));
  assert.ok((await uploadTo(handedOn, blob)).state === "ready");
  assert.ok((await uploadTo(handedOn, blob)).state === "ready", "a second time it is there already");
});

test("an upload that is done again with its key is the same image", async () => {
  const options = { method: "put", idempotencyKey: `order-${Date.now()}` };
  const first = await client.upload(PHOTO, options);
  assert.equal((await client.upload(PHOTO, options)).id, first.id);
});

test("who gives up leaves nothing behind", async () => {
  const controller = new AbortController();
  const stop = () => controller.abort(new Error("enough"));
  const options = { method: "put", onProgress: stop, signal: controller.signal };
  await assert.rejects(client.upload(PHOTO, options), /enough/);
  const link = await client.createUpload({ size: 1000, contentType: "image/jpeg" });
  await client.abortUpload(link);
  await assert.rejects(uploadTo(link, new Uint8Array(1000)));
});

test("an image is looked at, listed, changed, shown to others, replaced, deleted, restored and purged", async () => {
  const { id } = await client.upload(PHOTO, { visibility: "private", attachTo: { type: "shop", id: "unique" } });
  assert.equal((await client.get(id)).id, id);
  await assert.rejects(stranger.get(id), NotFound);
  const changed = await client.update(id, { title: "Porto", alt: "A bridge", tags: null });
  assert.deepEqual([changed.title, changed.alt, changed.tags], ["Porto", "A bridge", []]);
  const listed = [];
  for await (const image of client.list({ attachedTo: "shop:unique" })) listed.push(image.id);
  assert.deepEqual(listed, [id]);
  assert.ok((await client.variants(id)).some(({ preset }) => preset === "thumb"));
  const { url: signed } = await client.signedUrl(id, "thumb", { format: "webp", expiresIn: 60 });
  assert.equal((await fetch(signed)).headers.get("content-type"), "image/webp");
  const replaced = await client.replace(id, LARGE);
  assert.deepEqual([replaced.version, replaced.format], [2, "png"]);
  await client.delete(id);
  assert.equal((await client.restore(id)).state, "ready");
  await client.delete(id, { purge: true });
  await assert.rejects(client.get(id), Gone);
});

test("a webhook of the server is genuine, and one that was changed is not", async () => {
  const receiver = createServer().listen(Number(process.env.HOOK_PORT), "127.0.0.1");
  try {
    const headers = { authorization: `Bearer ${apiKey}`, "content-type": "application/json" };
    const body = JSON.stringify({ url: `http://127.0.0.1:${process.env.HOOK_PORT}/`, events: ["image.ready"] });
    const made = await fetch(`${url}/api/v1/webhooks`, { method: "POST", headers, body });
    assert.equal(made.status, 201);
    const { id: hook, secret } = await made.json();
    const called = once(receiver, "request");
    const { id } = await client.upload(PHOTO);
    const [request, response] = await called;
    const sent = Buffer.concat(await request.toArray());
    response.end();
    const event = await verifyWebhook(sent, request.headers, secret);
    assert.deepEqual([event.type, event.data.id], ["image.ready", id]);
    const changed = sent.toString().replace("ready", "READY");
    await assert.rejects(verifyWebhook(changed, request.headers, secret), WebhookInvalid);
    await fetch(`${url}/api/v1/webhooks/${hook}`, { method: "DELETE", headers });
  } finally {
    receiver.close();
    receiver.closeAllConnections();
  }
});

test("a stranger deletes their own image by the token that it brought", async () => {
  const image = await stranger.upload(PHOTO, { visibility: "private" });
  assert.equal((await stranger.get(image.id, { readToken: image.read_token })).state, "ready");
  await assert.rejects(stranger.delete(image.id));
  await stranger.delete(image, { purge: true });
  await assert.rejects(stranger.get(image.id), Gone);
});

test("the server fetches from an address, though not from everywhere", async () => {
  const { url: source } = await client.upload(PHOTO);
  const image = await client.fromUrl(source, { title: "Fetched" });
  assert.deepEqual([image.state, image.title], ["ready", "Fetched"]);
  await assert.rejects(client.fromUrl("http://169.254.169.254/latest/meta-data/"), SourceFailed);
});
