/** What is said of an image, in the words of the API. The rules are the server's; here it is only spelt. */

import type { Attachment, AttachTo, ImageChanges, ImageFields, ImageFilter } from "./model.ts";

/** Returns the fields of a new image as a JSON object. */
export function fieldsJson(fields: ImageFields): Record<string, unknown> {
  const { expiresIn, attachTo, kind, title, alt, visibility, tags } = fields;
  const attached = attachTo === undefined ? undefined : attachment(attachTo);
  return { kind, title, alt, visibility, tags, expires_in: expiresIn, attach_to: attached };
}

/** Returns the fields of a new image as parameters of a query. */
export function fieldsQuery(fields: ImageFields): Record<string, string | undefined> {
  const { expiresIn, attachTo, kind, title, alt, visibility, tags } = fields;
  const attached = attachTo === undefined ? undefined : attachment(attachTo);
  return {
    kind,
    title,
    alt,
    visibility,
    tags: tags?.join(","),
    expires_in: expiresIn?.toString(),
    attach_type: attached?.type,
    attach_id: attached?.id,
  };
}

/** Returns the changes as a JSON merge patch: undefined is left out, null clears. */
export function changesJson(changes: ImageChanges): Record<string, unknown> {
  const { expiresAt, attachTo, title, alt, visibility, tags } = changes;
  const attached = attachTo ? attachment(attachTo) : attachTo;
  return { title, alt, visibility, tags, expires_at: expiresAt, attach_to: attached };
}

/** Returns the filter as parameters of a query. */
export function filterQuery(filter: ImageFilter): Record<string, string | undefined> {
  const { kind, state, sourceSha256, attachedTo, q } = filter;
  const attached = attachedTo === undefined ? undefined : attachment(attachedTo);
  return { kind, state, q, source_sha256: sourceSha256, attached_to: attached && `${attached.type}:${attached.id}` };
}

function attachment(given: AttachTo): Attachment {
  if (typeof given !== "string") return { type: given.type, id: given.id };
  const colon = given.indexOf(":");
  if (colon < 1)
    throw new TypeError('attachTo is a type and an id: "product:4711" or { type: "product", id: "4711" }.');
  return { type: given.slice(0, colon), id: given.slice(colon + 1) };
}
