/** One picture in the list: shows an `Upload`, and passes on what is asked of it. */

import { copyText } from "./clipboard.js";
import { directLink, html, markdown, ownAddress, shareLink, shareWidth, thumbnailSources } from "./links.js";

/** Long enough to be read. */
const COPIED_MS = 1_600;

/** Cards are about this wide (page.css), so that the browser takes the right thumbnail. */
const SHOWN_WIDTH = "(max-width: 36rem) 92vw, 17rem";

const COPIES = {
  link: { text: directLink, said: "link" },
  markdown: { text: markdown, said: "Markdown" },
  html: { text: html, said: "HTML" },
  share: { text: shareLink, said: "link of the thumbnail" },
};

const STATUS = {
  waiting: ({ problem }) => (problem ? "Waiting to try again" : "Waiting"),
  sending: ({ sent }) => `Sending, ${Math.floor(sent * 100)} %`,
  checking: ({ isBeingCancelled }) => (isBeingCancelled ? "Cancelling" : "Checking"),
  processing: () => "Making thumbnails",
  deleting: () => "Deleting",
  trashed: () => "Deleted. Nobody sees it any more.",
  restoring: () => "Bringing it back",
  cancelled: () => "Cancelled",
  failed: ({ size }) => fileSize(size),
};

/** Which buttons there are in which state. */
const ACTIONS = {
  waiting: ({ problem }) => (problem ? ["retry", "cancel"] : ["cancel"]),
  sending: () => ["cancel"],
  checking: ({ isBeingCancelled }) => (isBeingCancelled ? [] : ["cancel"]),
  overdue: () => ["again"],
  failed: ({ retryable }) => (retryable ? ["retry", "dismiss"] : ["dismiss"]),
  cancelled: () => ["retry", "dismiss"],
  trashed: () => ["undo", "purge", "dismiss"],
  gone: () => ["dismiss"],
};

let cards = 0;

export class Card {
  #upload;
  #announcer;

  /** `ask` gets the name of what is wanted: cancel, retry, again, dismiss, delete, undo, purge. */
  constructor(template, upload, { announcer, ask }) {
    this.#upload = upload;
    this.#announcer = announcer;
    this.element = template.content.firstElementChild.cloneNode(true);
    this.#label();
    this.element.addEventListener("click", (event) => {
      const button = event.target.closest("button");
      if (button?.dataset.copy) this.#copy(button);
      else if (button?.dataset.do) ask(button.dataset.do);
    });
    this.#part(".picture img").addEventListener("error", () => this.#part(".picture").classList.add("blank"));
    this.#part(".picture img").addEventListener("load", () => this.#part(".picture").classList.remove("blank"));
    this.show();
  }

  /** Every button says whose it is: there are as many alike as there are pictures. */
  #label() {
    const id = `picture-${(cards += 1)}`;
    const { name } = this.#upload;
    this.#part(".name").id = id;
    this.#part(".name").textContent = name;
    this.#part(".name").title = name;
    this.#part(".progress").setAttribute("aria-label", `Sending ${name}`);
    for (const button of this.element.querySelectorAll("button")) button.setAttribute("aria-describedby", id);
  }

  /** Bring the card up to date with its upload. */
  show() {
    const { state, problem } = this.#upload;
    const hadFocus = this.element.contains(document.activeElement);
    this.element.dataset.state = state;
    this.element.setAttribute("aria-busy", String(this.#upload.isUnderWay));
    this.#part(".meta").textContent = (STATUS[state] ?? facts)(this.#upload);
    this.#part(".problem").textContent = problem;
    this.#part(".problem").hidden = !problem;
    this.#showProgress();
    this.#showPicture();
    this.#showButtons();
    if (hadFocus) this.#keepFocus();
  }

  get #mayDelete() {
    return ["processing", "overdue", "ready", "refused"].includes(this.#upload.state) && this.#upload.deleteToken !== "";
  }

  #showProgress() {
    const progress = this.#part(".progress");
    progress.hidden = !this.#upload.isUnderWay;
    progress.value = Math.round(this.#upload.sent * 100);
  }

  #showPicture() {
    const { image, state, preview, name } = this.#upload;
    const picture = this.#part(".picture img");
    const link = this.#part(".open");
    const { src, srcset } = state === "ready" ? thumbnailSources(this.#upload) : { src: preview, srcset: "" };
    if (picture.getAttribute("src") !== src && src && state !== "deleting") {
      picture.sizes = SHOWN_WIDTH;
      picture.srcset = srcset;
      picture.src = src;
      if (state === "ready") picture.addEventListener("load", () => this.#upload.forgetPreview(), { once: true });
    }
    if (this.#upload.hasLink) {
      link.href = ownAddress(image.url);
      link.setAttribute("aria-label", `Open ${name}`);
    } else {
      link.removeAttribute("href");
      link.removeAttribute("aria-label");
    }
    if (image?.dominant_color) this.#part(".picture").style.backgroundColor = image.dominant_color;
    this.#part(".frames").hidden = !(image?.frames > 1);
    this.#part(".frames").textContent = image?.frames > 1 ? `${image.frames} frames` : "";
  }

  #showButtons() {
    const { state, hasLink } = this.#upload;
    const actions = ACTIONS[state]?.(this.#upload) ?? [];
    const width = hasLink ? shareWidth(this.#upload) : null;
    this.#part("[data-row=copy]").hidden = !hasLink;
    this.#part("[data-copy=share]").hidden = !width;
    if (!this.#part("[data-copy=share]").classList.contains("copied")) {
      this.#part("[data-copy=share]").textContent = `${width ?? ""} px`;
    }
    this.#part("[data-row=act]").hidden = actions.length === 0;
    for (const name of ["retry", "again", "cancel", "undo", "purge", "dismiss"]) {
      this.#part(`[data-do=${name}]`).hidden = !actions.includes(name);
    }
    this.#part("[data-do=delete]").hidden = !this.#mayDelete;
    if (!hasLink) this.#part(".by-hand").hidden = true;
  }

  /** A button that goes away must not take the keyboard's place with it, and the card hands it on to the next one. */
  #keepFocus() {
    const focused = document.activeElement;
    if (focused !== this.element && focused?.checkVisibility?.() && this.element.contains(focused)) return;
    this.focus();
  }

  /** Put the keyboard on the first button, or on the card itself when it has none. */
  focus() {
    const buttons = [...this.element.querySelectorAll("[data-row] button")];
    (buttons.find((button) => button.checkVisibility()) ?? this.element).focus();
  }

  async #copy(button) {
    const { text, said } = COPIES[button.dataset.copy];
    const copied = await copyText(text(this.#upload));
    this.#part(".by-hand").hidden = copied;
    if (copied) {
      showCopied(button);
      this.#announcer.say(`Copied: ${said} of ${this.#upload.name}.`);
    } else {
      const field = this.#part(".by-hand input");
      field.value = text(this.#upload);
      field.focus();
      field.select();
      this.#announcer.say("The browser does not let us copy. The text is selected: copy it yourself.");
    }
  }

  #part(selector) {
    return this.element.querySelector(selector);
  }
}

/** The button itself says that it worked, for a moment. */
export function showCopied(button) {
  if (button.classList.contains("copied")) return;
  const before = button.textContent;
  button.classList.add("copied");
  button.textContent = "Copied";
  setTimeout(() => {
    button.classList.remove("copied");
    button.textContent = before;
  }, COPIED_MS);
}

function facts({ image, size }) {
  if (!image?.width) return fileSize(size);
  const format = image.format === "webp" ? "WebP" : image.format.toUpperCase();
  return `${image.width} × ${image.height} · ${format} · ${fileSize(image.bytes)}`;
}

/** @returns {string} a size in the decimal units that the limits are in */
export function fileSize(bytes) {
  if (bytes < 1_000) return `${bytes} bytes`;
  if (bytes < 1_000_000) return `${Math.round(bytes / 1_000)} kB`;
  return `${(bytes / 1_000_000).toFixed(1).replace(/\.0$/, "")} MB`;
}
