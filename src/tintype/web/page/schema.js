/** JSON Schema, as far as OpenAPI 3.1 documents of this server use it, in words. */

/** Follows `$ref` and takes the one schema out of "this or null". */
export function resolve(document, schema) {
  let found = schema ?? {};
  while (found.$ref) {
    found = found.$ref.replace("#/", "").split("/").reduce((at, key) => at[key], document);
  }
  const choices = (found.oneOf ?? found.anyOf ?? []).filter((choice) => choice.type !== "null");
  return choices.length === 1 ? { ...resolve(document, choices[0]), nullable: true } : found;
}

/** @returns {string} such as "string or null", "array of objects", "ready | failed" */
export function typeWords(document, schema) {
  const found = resolve(document, schema);
  const words = found.enum ? found.enum.join(" | ") : namedType(document, found);
  return found.nullable ? `${words} or null` : words;
}

function namedType(document, found) {
  const types = [found.type ?? "any"].flat();
  if (types.includes("array")) {
    const { properties } = resolve(document, found.items);
    return `array of ${properties ? "objects" : typeWords(document, found.items)}`;
  }
  if (types.includes("object") && isOpen(found)) {
    return `object: name to ${typeWords(document, found.additionalProperties)}`;
  }
  return found.format === "binary" ? "file" : types.join(" or ") + (found.format ? ` (${found.format})` : "");
}

function isOpen(found) {
  return !found.properties && typeof found.additionalProperties === "object";
}

/**
 * The fields of an object, those of objects within it included.
 *
 * @returns {{name: string, type: string, description: string, required: boolean}[]}
 */
export function fields(document, schema, prefix = "") {
  const found = resolve(document, schema);
  if (isOpen(found)) return fields(document, found.additionalProperties, prefix && `${prefix}*.`);
  if (found.type === "array") return fields(document, found.items, `${prefix.replace(/\.$/, "")}[].`);
  return Object.entries(found.properties ?? {}).flatMap(([name, property]) => [
    {
      name: prefix + name,
      type: typeWords(document, property),
      description: resolve(document, property).description ?? "",
      required: (found.required ?? []).includes(name),
    },
    ...fields(document, property, `${prefix}${name}.`),
  ]);
}
