/** The reference at `/docs`: the server's OpenAPI document and its error codes, for people. */

import { element, prose, table } from "./elements.js";
import { fields, typeWords } from "./schema.js";

const METHODS = ["get", "post", "put", "patch", "delete"];

const byId = (id) => document.getElementById(id);

async function show() {
  const [document, errors] = await Promise.all([load("/openapi.json"), load("/docs/errors.json")]);
  const api = { ...document, errors };
  const groups = grouped(api);
  byId("about").textContent = `${api.info.title} ${api.info.version}. ${api.info.description ?? ""}`;
  byId("contents").append(contents(groups));
  byId("reference").replaceChildren(
    ...groups.map(([tag, operations]) => groupSection(api, tag, operations)),
    errorSection(errors),
  );
  goToAnchor();
}

async function load(address) {
  const answer = await fetch(address);
  if (!answer.ok) throw new Error(`${address} answered ${answer.status}`);
  return answer.json();
}

/** @returns {[string, object[]][]} operations by tag, in the order of the document */
function grouped(api) {
  const groups = new Map();
  for (const [path, methods] of Object.entries(api.paths)) {
    for (const method of METHODS.filter((name) => name in methods)) {
      const operation = { path, method: method.toUpperCase(), ...methods[method] };
      const tag = operation.tags?.[0] ?? "Other";
      groups.set(tag, [...(groups.get(tag) ?? []), { ...operation, id: anchor(operation) }]);
    }
  }
  return [...groups];
}

function anchor({ method, path }) {
  return `${method}-${path}`.toLowerCase().replace(/[^a-z0-9]+/g, "-").replace(/-$/, "");
}

function contents(groups) {
  const link = ({ id, method, path, summary }) =>
    element("li", {}, element("a", { href: `#${id}`, title: `${method} ${path}` }, summary ?? path));
  const group = ([tag, operations]) =>
    element("li", {}, element("span", {}, tag), element("ul", {}, ...operations.map(link)));
  const errors = element("li", {}, element("a", { href: "#errors" }, "Errors"));
  return element("ul", {}, ...groups.map(group), errors);
}

function groupSection(api, tag, operations) {
  const id = `tag-${tag.toLowerCase()}`;
  return element(
    "section",
    { "aria-labelledby": id },
    element("h2", { id }, tag),
    ...operations.map((operation) => operationSection(api, operation)),
  );
}

function operationSection(api, operation) {
  const { id, method, path, summary, description } = operation;
  return element(
    "article",
    { class: "operation", id, "aria-labelledby": `${id}-title` },
    element("h3", { id: `${id}-title` }, element("a", { href: `#${id}`, class: "anchor" }, summary ?? path)),
    element("p", { class: "call" }, element("strong", {}, method), " ", element("code", {}, path)),
    description ? element("p", {}, prose(description)) : null,
    element("pre", { tabindex: "0", "aria-label": `Example: ${summary}` }, element("code", {}, curl(operation))),
    parameterPart(api, operation),
    ...bodyParts(api, operation),
    answerPart(api, operation),
  );
}

function parameterPart(api, { parameters = [], summary }) {
  if (parameters.length === 0) return null;
  const rows = parameters.map(({ name, in: place, schema, required, description }) => [
    named(name, required ? `${place}, required` : place),
    typeWords(api, schema),
    prose(description ?? ""),
  ]);
  return part("Parameters", table(`Parameters: ${summary}`, ["Name", "Type", "Meaning"], rows));
}

function bodyParts(api, { requestBody, summary }) {
  return bodies(requestBody).map(([mediaTypes, schema]) =>
    part(`Body: ${mediaTypes}`, schemaPart(api, schema, `Body of ${summary} as ${mediaTypes}`)),
  );
}

/** @returns {[string, object][]} media types with what they hold; those that hold the same are one */
function bodies(requestBody) {
  const alike = new Map();
  for (const [mediaType, { schema }] of Object.entries(requestBody?.content ?? {})) {
    const key = JSON.stringify(schema);
    alike.set(key, [...(alike.get(key) ?? []), mediaType]);
  }
  return [...alike].map(([key, mediaTypes]) => [mediaTypes.join(", "), JSON.parse(key)]);
}

function answerPart(api, { responses = {}, summary }) {
  const rows = Object.entries(responses).map(([status, { description, content = {} }]) => [
    element("code", {}, status),
    "application/problem+json" in content ? codesOf(api, status) : description,
    Object.keys(content).join(", ") || "no body",
  ]);
  return part(
    "Answers",
    table(`Answers: ${summary}`, ["Status", "Meaning", "Body"], rows),
    ...Object.entries(responses)
      .filter(([status]) => status.startsWith("2"))
      .flatMap(([status, { content = {} }]) =>
        Object.entries(content)
          .filter(([, { schema }]) => fields(api, schema).length > 0)
          .map(([, { schema }]) => folded(`Fields of the ${status} answer`, schemaPart(api, schema, `${status}: ${summary}`))),
      ),
  );
}

/** The codes that go with a status, each a link to what it means. */
function codesOf({ errors }, status) {
  const codes = errors.filter((error) => String(error.status) === status).map(({ code }) => code);
  const links = codes.map((code) => element("a", { href: `#${code}` }, element("code", {}, code)));
  return element("span", { class: "codes" }, ...links);
}

function schemaPart(api, schema, caption) {
  const rows = fields(api, schema).map(({ name, type, description, required }) => [
    named(name, required ? "" : "optional"),
    type,
    prose(description),
  ]);
  if (rows.length === 0) return element("p", {}, prose(schema.description ?? typeWords(api, schema)));
  return table(caption, ["Field", "Type", "Meaning"], rows);
}

function named(name, note) {
  return element("span", {}, element("code", {}, name), note ? element("small", {}, note) : null);
}

function part(title, ...content) {
  return element("div", { class: "part" }, element("h4", {}, title), ...content);
}

function folded(title, content) {
  return element("details", {}, element("summary", {}, title), content);
}

function errorSection(errors) {
  const rows = errors.map(({ code, status, summary }) => [
    element("a", { href: `#${code}`, id: code, class: "anchor" }, element("code", {}, code)),
    String(status),
    summary,
  ]);
  return element(
    "section",
    { "aria-labelledby": "errors" },
    element("h2", { id: "errors" }, "Errors"),
    element(
      "p",
      {},
      "A refusal is application/problem+json (RFC 9457). Switch on ",
      element("code", {}, "code"),
      ", which is stable; show ",
      element("code", {}, "detail"),
      ", which is a sentence for people.",
    ),
    table("Error codes", ["Code", "Status", "Meaning"], rows),
  );
}

/** @returns {string} the call as one would type it, with what is required */
function curl(operation) {
  const { method, path, parameters = [], requestBody } = operation;
  const address = location.origin + path.replace(/\{image_id\}/, "img_…").replace(/\{(\w+)\}/g, "<$1>");
  const types = Object.keys(requestBody?.content ?? {});
  const options = [method === "GET" || (method === "POST" && types.length > 0) ? "" : `-X ${method} `];
  if (types.includes("multipart/form-data")) options.push("-F file=@photo.jpg ");
  else if (types.includes("application/json")) options.push("--json '{…}' ");
  for (const { name, in: place, required } of parameters) {
    if (place === "header" && (required || name === "Upload-Token")) options.push(`-H '${name}: …' `);
  }
  return `curl ${options.join("")}${address}`;
}

/** The anchor was not there yet when the browser looked for it. */
function goToAnchor() {
  const target = document.getElementById(decodeURIComponent(location.hash.slice(1)));
  if (!target) return;
  target.scrollIntoView();
  target.focus({ preventScroll: true });
}

show().catch(() => {
  const again = element("button", { class: "tinted", type: "button" }, "Try again");
  again.addEventListener("click", () => location.reload());
  byId("status").replaceChildren("The reference could not be loaded. ", again);
});
