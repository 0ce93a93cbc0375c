/** Says to screen readers what eyes can see. */

/** Several things that happen together are said in one breath. */
const BREATH_MS = 250;

export class Announcer {
  #region;
  #lines = [];
  #timer = 0;

  constructor(region) {
    this.#region = region;
  }

  say(line) {
    if (!this.#lines.includes(line)) this.#lines.push(line);
    this.#region.textContent = ""; // so that the same words twice are a change twice
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => {
      this.#region.textContent = this.#lines.join(" ");
      this.#lines = [];
    }, BREATH_MS);
  }
}
