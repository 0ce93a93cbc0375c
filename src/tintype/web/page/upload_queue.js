/**
 * Whose turn it is: a few uploads at once, the others wait. A server that asks to come again later is left alone until
 * then, and meets one upload at a time from there on.
 */

/** More at once only slows each one down: the line is shared. */
const PARALLEL = 3;

/** A server that asks for more patience than this gets none: the person decides. */
const LONGEST_PAUSE_S = 60;

/** Turns that one upload gets before it is called failed. */
const MOST_TURNS = 8;

export class UploadQueue {
  #waiting = [];
  #running = 0;
  #parallel = PARALLEL;
  #timer = 0;
  #turns = new WeakMap();

  /** Put an upload at the end. */
  add(upload) {
    this.#turns.set(upload, 0);
    this.#waiting.push(upload);
    this.#startNext();
  }

  /** Take an upload out that has not begun. */
  remove(upload) {
    this.#waiting = this.#waiting.filter((other) => other !== upload);
  }

  /** Do not wait any longer for a server that was busy. */
  hurry() {
    clearTimeout(this.#timer);
    this.#timer = 0;
    this.#startNext();
  }

  get isBusy() {
    return this.#running > 0 || this.#waiting.length > 0;
  }

  #startNext() {
    while (!this.#timer && this.#running < this.#parallel && this.#waiting.length > 0) {
      this.#run(this.#waiting.shift());
    }
    if (!this.isBusy) this.#parallel = PARALLEL;
  }

  async #run(upload) {
    this.#running += 1;
    this.#turns.set(upload, this.#turns.get(upload) + 1);
    try {
      const busy = await upload.send();
      if (busy) this.#putBack(upload, busy);
    } finally {
      this.#running -= 1;
      this.#startNext();
    }
  }

  #putBack(upload, busy) {
    if (this.#turns.get(upload) >= MOST_TURNS || busy.retryAfter > LONGEST_PAUSE_S) {
      upload.fail(busy.message);
      return;
    }
    this.#waiting.unshift(upload);
    this.#parallel = 1;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.hurry(), busy.retryAfter * 1000);
  }
}
