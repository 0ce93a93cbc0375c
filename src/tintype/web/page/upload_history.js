/**
 * This browser's uploads, so that a reload shows them again and can still delete them. The delete token is a secret of
 * whoever uploaded: it stays in localStorage, which no other site can read, and goes to the server alone.
 */

const KEY = "tintype.uploads";

/** The list is a convenience, not an archive. */
const MOST = 50;

/** What of an image's JSON is needed to show it before the server has been asked. */
const IMAGE_FIELDS = [
  "id", "state", "url", "thumbnails", "title", "alt", "format", "width", "height", "frames", "bytes", "dominant_color",
];

/** @returns {object[]} what was remembered, newest first; nothing when storage is closed to us or damaged */
export function readHistory() {
  try {
    const entries = JSON.parse(localStorage.getItem(KEY) ?? "[]");
    return entries.filter((entry) => typeof entry?.image?.id === "string").sort((a, b) => b.added - a.added);
  } catch {
    return [];
  }
}

/** Remember an upload that has an image, in place of what was known of it. Another tab may have written meanwhile. */
export function remember({ name, added, image, variants, deleteToken }) {
  const kept = Object.fromEntries(IMAGE_FIELDS.map((field) => [field, image[field]]));
  const widths = variants.map(({ preset, width }) => ({ preset, width }));
  return write([{ name, added, deleteToken, image: kept, variants: widths }, ...without(image.id)]);
}

/** Forget an image. */
export function forget(id) {
  return write(without(id));
}

function without(id) {
  return readHistory().filter((entry) => entry.image.id !== id);
}

/** @returns {boolean} whether it will be there after a reload */
function write(entries) {
  try {
    localStorage.setItem(KEY, JSON.stringify(entries.sort((a, b) => b.added - a.added).slice(0, MOST)));
    return true;
  } catch {
    return false;
  }
}
