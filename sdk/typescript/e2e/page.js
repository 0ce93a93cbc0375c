/** What a page of another site does with the client; tests/browser/test_typescript_client.py calls these. */

import { ImageTooLarge, Tintype, TintypeError, uploadTo } from "@tintype/client";

function check(holds, what) {
  if (!holds) throw new Error(`It does not hold: ${what}`);
}

async function pictureOf(path) {
  const answer = await fetch(path);
  check(answer.ok, `${path} is there`);
  return new File([await answer.blob()], path.split("/").at(-1), { type: "image/png" });
}

/** Sends a file by a link that a backend made, and shows it. Returns the image's id. */
export async function uploadByLink({ link, path, url }) {
  const file = await pictureOf(path);
  const seen = [];
  const image = await uploadTo(link, file, { url, onProgress: (progress) => seen.push({ ...progress }) });
  check(image.state === "ready", "the image is ready");
  check(image.id === link.image_id, "the image is the one that was reserved");
  check(seen.at(-1).phase === "done" && seen.at(-1).sent === file.size, "progress comes to the whole");
  check(
    seen.every(({ sent, total }) => sent <= total),
    "progress stays below the whole",
  );
  return { id: image.id, steps: new Set(seen.filter(({ phase }) => phase === "sending").map(({ sent }) => sent)).size };
}

/** Uploads as nobody, sees it, changes and deletes it. */
export async function uploadAsStranger({ url, path }) {
  const client = new Tintype({ url });
  const image = await client.upload(await pictureOf(path), { visibility: "private", title: "Mine" });
  check(image.state === "ready" && image.title === "Mine", "it is ready");
  check((await client.update(image, { title: "Ours" })).title === "Ours", "it is changed by its token");
  await client.delete(image, { purge: true });
  const gone = await client.get(image).catch((error) => error);
  check(gone instanceof TintypeError && gone.code === "image.gone", "it is gone");
}

/** Returns the code and the class of the refusal of a file that is larger than its kind allows. */
export async function sendTooMuch({ url, bytes }) {
  const error = await new Tintype({ url })
    .upload(new Blob([new Uint8Array(bytes)]), { method: "put" })
    .catch((caught) => caught);
  return { code: error.code, known: error instanceof ImageTooLarge, name: error.name };
}

/** Begins an upload and gives it up at the first sign of progress. Returns the reason that it ended with. */
export async function giveUp({ url, path }) {
  const controller = new AbortController();
  const onProgress = () => controller.abort(new Error("enough"));
  const options = { method: "put", onProgress, signal: controller.signal };
  const error = await new Tintype({ url }).upload(await pictureOf(path), options).catch((caught) => caught);
  return error.message;
}

/** Begins an upload that can be resumed. Returns when so many bytes have left; it goes on by itself. */
export async function begin({ url, path, until }) {
  const file = await pictureOf(path);
  await new Promise((resolve, reject) => {
    const onProgress = ({ sent }) => sent >= until && resolve();
    new Tintype({ url }).upload(file, { resume: true, onProgress }).catch(reject);
  });
}

/** Uploads the same file again. Returns from which byte on, and what is still kept. */
export async function goOn({ url, path }) {
  const seen = [];
  const onProgress = ({ sent, phase }) => phase === "sending" && seen.push(sent);
  const image = await new Tintype({ url }).upload(await pictureOf(path), { resume: true, onProgress });
  check(image.state === "ready", "the image is ready");
  return { from: Math.min(...seen), kept: Object.keys(localStorage) };
}
