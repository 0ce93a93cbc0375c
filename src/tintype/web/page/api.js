/**
 * The server's API as the page uses it. Every refusal becomes a `Refusal` with a sentence that can be shown.
 */

import { csrfHeaders, proofOf } from "./session.js";

const API = "/api/v1";
const IMAGES = `${API}/images`;

/** Nothing moved for so long: the line is dead, although no browser says so. The server gives up on us after less. */
const SILENCE_MS = 45_000;

/** Small questions are answered in milliseconds; whoever waits longer had better ask again. */
const ANSWER_MS = 15_000;

const OFFLINE = "The connection was lost. Check it, then try again.";

const UNANSWERED =
  "The connection was lost before the server answered. It may have the picture: trying again may make a second one.";

/** What the server (or the network) said instead of doing it. `status` is 0 when nobody answered. */
export class Refusal extends Error {
  constructor(detail, { status = 0, code = "", retryAfter = null, fields = [] } = {}) {
    super(detail);
    this.status = status;
    this.code = code;
    this.retryAfter = retryAfter; // seconds
    this.fields = fields; // {field, message}: which of them are wrong
  }

  /** The server asks to wait and come again. */
  get isBusy() {
    return (this.status === 429 || this.status === 503) && this.retryAfter !== null;
  }

  /** The image is not there any more, or never was. */
  get isGone() {
    return this.status === 404 || this.status === 410;
  }

  /** It is the file or the sender that is refused: the same again would be refused again. */
  get isFinal() {
    return [401, 403, 413, 415, 422].includes(this.status);
  }

  /** Asking again in a moment may well succeed. */
  get isPassing() {
    return this.status === 0 || this.status === 429 || this.status >= 500;
  }
}

/**
 * Send a file as a form. XMLHttpRequest, because fetch does not tell how far it is.
 *
 * @param {File} file
 * To send it again makes another image. After a refusal that is right, for then nothing was kept; a silence leaves open
 * whether the server has it, and says so.
 *
 * @param {{name: string, onProgress: (sent: number) => void, onSent: () => void, signal: AbortSignal}} how
 *   `onProgress` gets a share from 0 to 1
 * @returns {Promise<object>} the image
 */
export function uploadImage(file, { name, onProgress, onSent, signal }) {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    let silence = 0;
    let lost = OFFLINE;
    const listen = () => {
      clearTimeout(silence);
      silence = setTimeout(() => fail(new Refusal(lost)), SILENCE_MS);
    };
    const fail = (error) => {
      reject(error);
      request.abort();
    };
    request.open("POST", IMAGES);
    request.setRequestHeader("Accept", "application/json");
    for (const [key, value] of Object.entries(csrfHeaders())) request.setRequestHeader(key, value);
    request.upload.onprogress = (event) => {
      listen();
      if (event.lengthComputable) onProgress(event.loaded / event.total);
    };
    request.upload.onload = () => {
      lost = UNANSWERED;
      listen();
      onSent();
    };
    request.onload = () => {
      const { status, response } = request;
      const image = status === 201 ? parsed(response) : null;
      if (image) resolve(image);
      else reject(refusal(status, response, request.getResponseHeader("Retry-After")));
    };
    request.onerror = () => reject(new Refusal(lost));
    request.onloadend = () => clearTimeout(silence);
    signal.addEventListener("abort", () => fail(signal.reason), { once: true });
    const form = new FormData();
    form.append("file", file, name);
    listen();
    request.send(form);
  });
}

/** @returns {Promise<object>} the image as it is now; what is in the trash is shown to the holder of its token alone */
export async function getImage(id, deleteToken) {
  return (await ask("GET", `${IMAGES}/${id}`, proofOf(deleteToken))).json();
}

/** A browser has six connections to a server, and the uploads need theirs: further pictures are asked for. */
const MOST_STREAMS = 2;
let streams = 0;

/**
 * Be told of an image's progress as it happens, until `onImage` says that it has heard enough. A stream that cannot be
 * had, or breaks, ends it too: whoever needs to know more asks with `getImage`.
 *
 * @param {number} patience milliseconds
 * @param {(image: object) => Promise<boolean>} onImage
 */
export function followImage(id, patience, onImage) {
  if (streams >= MOST_STREAMS) return Promise.resolve();
  streams += 1;
  return new Promise((resolve) => {
    const stream = new EventSource(`${IMAGES}/${id}/events`);
    let ended = false;
    const end = () => {
      clearTimeout(timer);
      streams -= ended ? 0 : 1;
      ended = true;
      stream.close();
      resolve();
    };
    const timer = setTimeout(end, patience);
    let heard = Promise.resolve();
    const tell = ({ data }) => {
      heard = heard.then(async () => (await onImage(JSON.parse(data))) && end());
    };
    for (const name of ["state", "failed"]) stream.addEventListener(name, tell);
    stream.onerror = () => {
      stream.close(); // it would come back by itself
      heard.then(end, end);
    };
  });
}

/** @returns {Promise<object[]>} what the image can be shown as: preset, format, width, height, bytes, url, state */
export async function listVariants(id) {
  return (await (await ask("GET", `${IMAGES}/${id}/variants`)).json()).items;
}

/** Put an image into the trash: nobody sees it from now on. */
export async function trashImage(id, deleteToken) {
  await ask("DELETE", `${IMAGES}/${id}`, proofOf(deleteToken));
}

/** @returns {Promise<object>} the image, out of the trash as it was */
export async function restoreImage(id, deleteToken) {
  return (await ask("POST", `${IMAGES}/${id}/restore`, proofOf(deleteToken))).json();
}

/** Delete an image for good. One that is gone already is as good as deleted. */
export async function purgeImage(id, deleteToken) {
  try {
    await ask("DELETE", `${IMAGES}/${id}?purge=true`, proofOf(deleteToken));
  } catch (error) {
    if (!error.isGone) throw error;
  }
}

/** @returns {Promise<string>} what a stable code means, in the server's words */
export async function explainCode(code) {
  const known = await (await ask("GET", "/docs/errors.json")).json();
  return known.find((error) => error.code === code)?.summary ?? "";
}

/**
 * Call the API as whoever is signed in.
 *
 * @param {string} path below /api/v1
 * @returns {Promise<object|null>} the answer; null when it has no content
 */
export async function call(method, path, content = undefined) {
  const headers = { ...csrfHeaders(), ...(content === undefined ? {} : { "Content-Type": "application/json" }) };
  const body = content === undefined ? undefined : JSON.stringify(content);
  const answer = await ask(method, `${API}${path}`, headers, body);
  return answer.status === 204 ? null : answer.json();
}

async function ask(method, address, headers = {}, body = undefined) {
  const signal = AbortSignal.timeout(ANSWER_MS);
  let answer;
  try {
    answer = await fetch(address, { method, headers, body, cache: "no-store", signal });
  } catch {
    throw new Refusal(OFFLINE);
  }
  if (!answer.ok) throw refusal(answer.status, await answer.text(), answer.headers.get("Retry-After"));
  return answer;
}

/** A problem (RFC 9457) as a Refusal; something in between may have answered in words of its own. */
function refusal(status, body, retryAfter) {
  const problem = parsed(body) ?? {};
  const fields = (problem.errors ?? []).map((error) => error.message).join(" ");
  const detail = fields || problem.detail || `The server answered ${status} and did not say why.`;
  const seconds = Number.parseInt(retryAfter ?? "", 10);
  const told = { status, code: problem.code, fields: problem.errors ?? [] };
  return new Refusal(detail, { ...told, retryAfter: Number.isNaN(seconds) ? null : seconds });
}

/** @returns {object|null} null for what is no JSON object: a proxy's page, which nobody wants to read here */
function parsed(body) {
  try {
    const value = JSON.parse(body);
    return typeof value === "object" ? value : null;
  } catch {
    return null;
  }
}
