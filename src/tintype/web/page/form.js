/** A form that is sent as JSON: labels, hints, what is wrong with which field, and a button that says that it works. */

import { element } from "./elements.js";

/**
 * @typedef {{name: string, label: string, type?: string, autocomplete?: string, hint?: string, value?: string,
 *   inputmode?: string, required?: boolean}} Field
 */

/**
 * @param {{fields: Field[], submit: string, send: (values: Record<string, string>) => Promise<void>}} what `send` is
 *   called with the values, and throws a `Refusal` that the form shows
 * @returns {HTMLFormElement}
 */
export function makeForm({ fields, submit, send }) {
  const rows = fields.map(makeField);
  const problem = element("p", { class: "wrong", role: "alert" });
  const button = element("button", { class: "primary", type: "submit" }, submit);
  const form = element("form", { novalidate: "" }, ...rows.map((row) => row.part), problem, button);
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    if (button.disabled) return;
    problem.textContent = "";
    rows.forEach((row) => row.blame(""));
    button.disabled = true;
    button.setAttribute("aria-busy", "true");
    try {
      await send(Object.fromEntries(rows.map((row) => [row.input.name, row.input.value])));
    } catch (refusal) {
      blame(rows, problem, refusal);
    } finally {
      button.disabled = false;
      button.removeAttribute("aria-busy");
    }
  });
  return form;
}

/** Show what is wrong where it is wrong, and take the reader there. */
function blame(rows, problem, refusal) {
  const wrong = new Map((refusal.fields ?? []).map(({ field, message }) => [field, message]));
  const blamed = rows.filter((row) => wrong.has(row.input.name));
  blamed.forEach((row) => row.blame(wrong.get(row.input.name)));
  if (blamed.length === 0) problem.textContent = refusal.message;
  (blamed[0] ?? rows[0])?.input.focus();
}

/** @param {Field} field */
function makeField({ name, label, type = "text", hint = "", value = "", ...others }) {
  const id = `field-${name}`;
  const input = element("input", { id, name, type, value, ...others });
  const wrong = element("p", { class: "wrong", id: `${id}-wrong` });
  const help = hint ? element("p", { class: "hint", id: `${id}-hint` }, hint) : null;
  input.setAttribute("aria-describedby", [hint ? `${id}-hint` : "", `${id}-wrong`].join(" ").trim());
  const part = element("div", { class: "field" }, element("label", { for: id }, label), input, help, wrong);
  const blameIt = (message) => {
    wrong.textContent = message;
    if (message) input.setAttribute("aria-invalid", "true");
    else input.removeAttribute("aria-invalid");
  };
  return { part, input, blame: blameIt };
}
