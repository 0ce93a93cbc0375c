/**
 * One picture on its way: a life cycle, and nothing of the screen.
 *
 * A file waits, is sent, is checked by the server, and from the moment of the answer it is safe and has a link; its
 * thumbnails follow. A picture of an earlier visit begins there. What is deleted can be brought back until it is deleted
 * for good.
 */

import {
  explainCode, followImage, getImage, listVariants, purgeImage, Refusal, restoreImage, trashImage, uploadImage,
} from "./api.js";
import { isSignedIn, OWN } from "./session.js";

/** An illegal move is a mistake in this page, so it throws. */
const NEXT = {
  waiting: ["sending", "cancelled", "failed"],
  sending: ["checking", "processing", "waiting", "failed", "cancelled"],
  checking: ["processing", "waiting", "failed", "cancelled"],
  processing: ["ready", "refused", "overdue", "deleting", "trashed", "gone"],
  overdue: ["processing", "refused", "deleting", "trashed", "gone"],
  ready: ["refused", "deleting", "trashed", "gone"],
  refused: ["deleting", "trashed", "gone"],
  deleting: ["ready", "processing", "refused", "overdue", "trashed", "gone"],
  trashed: ["restoring", "deleting", "gone"],
  restoring: ["processing", "refused", "trashed", "gone"],
  failed: ["waiting"],
  cancelled: ["waiting"],
  gone: [],
};

/** Thumbnails are there within a second as a rule: ask soon, then ever less often, and not for ever. */
const FIRST_LOOK_MS = 150;
const LAST_LOOK_MS = 1_000;
const SLOWER = 1.5;
const PATIENCE_MS = 60_000;

export class Upload {
  state = "waiting";
  /** Share of the bytes that left, 0 to 1. */
  sent = 0;
  /** The sentence that says what went wrong, or "". */
  problem = "";
  /** Whether the same again may end better. */
  retryable = true;
  image = null;
  variants = [];
  deleteToken = "";
  #file = null;
  #abort = null;
  #unwanted = false;
  #followed = false;
  #onChange = () => {};

  constructor({ file = null, name, added }) {
    this.#file = file;
    this.name = name;
    /** Where it stands in the list: later is further up. */
    this.added = added;
    this.preview = file ? URL.createObjectURL(file) : "";
    this.size = file?.size ?? 0;
  }

  /** Take up a picture that this browser sent earlier. */
  static remembered({ name, added, image, variants, deleteToken }) {
    const upload = new Upload({ name, added });
    Object.assign(upload, { image, variants, deleteToken, size: image.bytes });
    upload.state = ["ready", "trashed"].includes(image.state) ? image.state : "processing";
    return upload;
  }

  set onChange(listener) {
    this.#onChange = listener;
  }

  get hasLink() {
    return ["processing", "overdue", "ready"].includes(this.state);
  }

  get isUnderWay() {
    return ["waiting", "sending", "checking"].includes(this.state);
  }

  /**
   * Send the file; what goes wrong ends as `failed`.
   *
   * @returns {Promise<Refusal|null>} a server that is busy: then the upload waits again, for another turn
   */
  async send() {
    this.#abort = new AbortController();
    this.#move("sending", { sent: 0, problem: "" });
    try {
      const image = await uploadImage(this.#file, {
        name: this.name,
        signal: this.#abort.signal,
        onProgress: (sent) => this.#set({ sent }),
        onSent: () => this.state === "sending" && this.#move("checking", { sent: 1 }),
      });
      await this.#accepted(image);
      return null;
    } catch (error) {
      return this.#refused(error);
    }
  }

  async #accepted({ delete_token: deleteToken, ...image }) {
    if (this.#unwanted) {
      await purgeImage(image.id, deleteToken);
      this.#move("cancelled");
    } else {
      this.#move("processing", { image, deleteToken: deleteToken ?? (isSignedIn() ? OWN : ""), problem: "" });
    }
  }

  #refused(error) {
    if (!(error instanceof Refusal)) throw error;
    if (this.state === "cancelled") return null;
    if (this.#unwanted) {
      this.#move("cancelled");
    } else if (error.isBusy) {
      this.#move("waiting", { sent: 0, problem: error.message });
      return error;
    } else {
      this.fail(error.message, { retryable: !error.isFinal });
    }
    return null;
  }

  /** Give up, and say why. */
  fail(problem, { retryable = true } = {}) {
    this.#move("failed", { problem, retryable });
  }

  /** Stop. When every byte has left, the server may be keeping it this very moment: wait for that, and delete it. */
  cancel() {
    if (this.state === "checking") {
      this.#unwanted = true;
      this.#set({});
      return;
    }
    this.#move("cancelled", { problem: "" });
    this.#abort?.abort(new Refusal("Cancelled"));
  }

  get isBeingCancelled() {
    return this.state === "checking" && this.#unwanted;
  }

  /** Back to the queue. */
  retry() {
    this.#unwanted = false;
    this.#move("waiting", { sent: 0, problem: "", retryable: true });
  }

  /** Look at the image until its thumbnails are there, or until it is clear that they will not be. */
  async follow() {
    if (this.#followed) return;
    this.#followed = true;
    if (this.state === "overdue") this.#move("processing", { problem: "" });
    const deadline = Date.now() + PATIENCE_MS;
    await followImage(this.image.id, PATIENCE_MS, (image) => this.#hear(image));
    let pause = FIRST_LOOK_MS;
    while (this.state === "processing" && Date.now() < deadline) {
      await new Promise((resolve) => setTimeout(resolve, pause));
      pause = Math.min(pause * SLOWER, LAST_LOOK_MS);
      await this.look();
    }
    this.#followed = false;
    if (this.state === "processing") {
      this.#move("overdue", { problem: "The thumbnails take longer than usual. The link works already." });
    }
  }

  /** Take in what the server tells; whether that was all. */
  async #hear(image) {
    if (this.state === "processing") await this.#learn(image);
    return this.state !== "processing";
  }

  /** Ask once how the image is. */
  async look() {
    try {
      const image = await getImage(this.image.id, this.deleteToken);
      if (["processing", "ready", "overdue", "trashed"].includes(this.state)) await this.#learn(image);
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      if (error.isGone) this.#leave("It was deleted. Nothing of it is left.");
      else if (!error.isPassing) this.#set({ problem: error.message });
    }
  }

  async #learn(image) {
    if (image.state === "trashed") {
      if (this.state !== "trashed") this.#move("trashed", { image, problem: "" });
    } else if (this.state === "trashed") {
      await this.restore(); // it is out already: somebody else undid it
    } else if (image.state === "ready" && this.state === "processing") {
      const variants = await listVariants(image.id).catch(() => []);
      if (this.state === "processing") this.#move("ready", { image, variants, problem: "" });
    } else if (["rejected", "failed", "quarantined"].includes(image.state)) {
      this.#move("refused", { image, problem: await whyRefused(image) });
    }
  }

  #leave(problem) {
    if (!["gone", "deleting", "restoring"].includes(this.state)) this.#move("gone", { problem });
  }

  /** Put the image into the trash. */
  async delete() {
    await this.#ask("deleting", async () => {
      await trashImage(this.image.id, this.deleteToken);
      this.#move("trashed", { image: { ...this.image, state: "trashed" } });
    });
  }

  /** Take the image out of the trash. */
  async restore() {
    await this.#ask("restoring", async () => {
      const image = await restoreImage(this.image.id, this.deleteToken);
      this.#move("processing", { image });
      await this.#learn(image);
    });
  }

  /** Delete the image for good. */
  async purge() {
    await this.#ask("deleting", async () => {
      await purgeImage(this.image.id, this.deleteToken);
      this.#move("gone");
    });
  }

  /** Ask the server for something; when that fails, everything is as before, and `problem` says why. */
  async #ask(meanwhile, request) {
    const before = this.state;
    this.#move(meanwhile, { problem: "" });
    try {
      await request();
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      if (error.isGone) this.#move("gone", { problem: "It was deleted. Nothing of it is left." });
      else this.#move(before, { problem: error.message });
    }
  }

  /** The preview's memory is the browser's until it is told. */
  forgetPreview() {
    if (this.preview) URL.revokeObjectURL(this.preview);
    this.preview = "";
  }

  #move(state, change = {}) {
    if (!NEXT[this.state].includes(state)) throw new Error(`An upload cannot go from ${this.state} to ${state}`);
    this.state = state;
    this.#set(change);
  }

  #set(change) {
    Object.assign(this, change);
    this.#onChange(this);
  }
}

async function whyRefused(image) {
  const reason = await explainCode(image.state_reason).catch(() => "");
  if (image.state === "quarantined") return "It is held back until somebody has looked at it.";
  if (image.state === "failed") return `The server could not make its thumbnails${reason ? `: ${reason}` : ""}.`;
  return `The server cannot show this picture${reason ? `: ${reason}` : ""}.`;
}
