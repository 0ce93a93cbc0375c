/** A picture's link in the shapes that people paste. */

/** @returns {string} the words for the picture: what its owner said, else the file's name without its ending */
function wordsFor({ name, image }) {
  return image.alt || image.title || name.replace(/\.[a-z0-9]{1,5}$/i, "");
}

/** The address that anybody can use. */
export function directLink({ image }) {
  return image.url;
}

/** CommonMark: brackets and backslashes of the description are escaped, and it stays on one line. */
export function markdown(upload) {
  const words = wordsFor(upload).replace(/\s+/g, " ").replace(/[[\]\\]/g, "\\$&");
  return `![${words}](${upload.image.url})`;
}

/** An `img` element. Width and height keep the page still while it loads. */
export function html(upload) {
  const { url, width, height } = upload.image;
  return `<img src="${escaped(url)}" width="${width}" height="${height}" alt="${escaped(wordsFor(upload))}">`;
}

/** The largest thumbnail: small enough for a chat, large enough to see. */
export function shareLink(upload) {
  const preset = largestThumbnail(upload);
  return upload.image.thumbnails[preset] ?? upload.image.url;
}

/** @returns {number|null} the width of what `shareLink` leads to, in pixels, once it is known */
export function shareWidth(upload) {
  const preset = largestThumbnail(upload);
  return upload.variants.find((variant) => variant.preset === preset)?.width ?? null;
}

/** @returns {{src: string, srcset: string}} the thumbnails by our own origin: the public one may be another's */
export function thumbnailSources({ image, variants }) {
  const widths = new Map(variants.filter(({ width }) => width).map(({ preset, width }) => [preset, width]));
  const known = Object.entries(image.thumbnails).filter(([preset]) => widths.has(preset));
  const src = ownAddress(shareLink({ image, variants }));
  return { src, srcset: known.map(([preset, url]) => `${ownAddress(url)} ${widths.get(preset)}w`).join(", ") };
}

function largestThumbnail({ image, variants }) {
  const presets = Object.keys(image.thumbnails);
  const width = (preset) => variants.find((variant) => variant.preset === preset)?.width ?? 0;
  return presets.reduce((best, preset) => (width(preset) >= width(best) ? preset : best), presets[0]);
}

/** The path of one of our URLs. */
export function ownAddress(url) {
  const { pathname, search } = new URL(url, location.href);
  return pathname + search;
}

function escaped(text) {
  return text.replace(/[&"<>]/g, (sign) => `&#${sign.charCodeAt(0)};`);
}
