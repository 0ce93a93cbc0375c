/** Building parts of a page without markup in strings: text stays text. */

/**
 * @param {string} name
 * @param {Record<string, string>} attributes
 * @param {...(Node|string|null)} children null is left out
 * @returns {HTMLElement}
 */
export function element(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children.filter((child) => child !== null));
  return made;
}

/** @returns {DocumentFragment} the text with what is between backticks as code */
export function prose(text) {
  const parts = text.split("`").map((part, index) => (index % 2 ? element("code", {}, part) : part));
  const fragment = document.createDocumentFragment();
  fragment.append(...parts);
  return fragment;
}

/** A table with a caption for those who cannot see where it stands. */
export function table(caption, headings, rows) {
  const head = element("tr", {}, ...headings.map((text) => element("th", { scope: "col" }, text)));
  return element(
    "div",
    { class: "table" },
    element(
      "table",
      {},
      element("caption", { class: "unseen" }, caption),
      element("thead", {}, head),
      element("tbody", {}, ...rows.map(([first, ...cells]) => tableRow(first, cells))),
    ),
  );
}

function tableRow(first, cells) {
  return element("tr", {}, element("th", { scope: "row" }, first), ...cells.map((cell) => element("td", {}, cell)));
}
