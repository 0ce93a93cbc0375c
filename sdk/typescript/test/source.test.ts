import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { pathToFileURL } from "node:url";
import { fromBase64, sha256, toBase64, toHex } from "../src/digest.ts";
import { SourceChanged } from "../src/errors.ts";
import { openSource } from "../src/source.ts";
import { send } from "../src/wire.ts";
import { bytes } from "./fake_server.ts";

test("a path, a file URL, a File, a Blob and bytes are all the same file", async () => {
  const folder = await mkdtemp(join(tmpdir(), "tintype-"));
  try {
    const path = join(folder, "Lisboa à noite.jpg");
    await writeFile(path, bytes(100));
    const file = new File([bytes(100)], "Lisboa à noite.jpg");
    for (const given of [path, pathToFileURL(path), file]) {
      const { blob, name, type } = await openSource(given);
      assert.deepEqual([blob.size, name, type], [100, "Lisboa à noite.jpg", "image/jpeg"]);
    }
    for (const given of [new Blob([bytes(100)]), bytes(100), bytes(100).buffer]) {
      const { blob, name, type } = await openSource(given);
      assert.deepEqual([blob.size, name, type], [100, undefined, "image/jpeg"]);
    }
  } finally {
    await rm(folder, { recursive: true });
  }
});

test("a file that is changed while it waits is not sent", async () => {
  const folder = await mkdtemp(join(tmpdir(), "tintype-"));
  try {
    const path = join(folder, "a.jpg");
    await writeFile(path, bytes(100));
    const { blob } = await openSource(path);
    await writeFile(path, bytes(50));
    await assert.rejects(sha256(blob), SourceChanged);
    const request = { method: "PUT", url: "http://127.0.0.1:9/", headers: {}, body: blob, stallMs: 1_000 };
    const reading: typeof fetch = async (input, init) => Response.json(await new Request(input, init).text());
    await assert.rejects(send(request, reading), SourceChanged);
  } finally {
    await rm(folder, { recursive: true });
  }
});

test("a path that is not there is Node's own error", async () => {
  await assert.rejects(openSource("/nowhere/at/all.jpg"));
});

const HEADS = {
  "image/png": "\x89PNG\r\n\x1a\n----",
  "image/gif": "GIF89a------",
  "image/webp": "RIFF....WEBPVP8 ",
  "image/avif": "\0\0\0\x20ftypavif",
  "image/heic": "\0\0\0\x20ftypheic",
  "application/octet-stream": "RIFF....WAVE",
};

for (const [type, head] of Object.entries(HEADS)) {
  test(`the first bytes tell that a file is ${type}`, async () => {
    const blob = new Blob([Uint8Array.from(head, (sign) => sign.charCodeAt(0))], { type: "text/html" });
    assert.equal((await openSource(blob)).type, type);
  });
}

test("digests are those of the standard, in both spellings", async () => {
  const digest = await sha256(new Blob(["abc"]));
  assert.ok(digest);
  assert.equal(toHex(digest), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  assert.deepEqual(fromBase64(toBase64(digest)), new Uint8Array(digest));
  assert.equal(fromBase64("!"), undefined);
});
