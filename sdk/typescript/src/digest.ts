/** SHA-256 of what is sent, so that the server can hold what arrives against it. */

import { SourceChanged } from "./errors.ts";
import { nodeCrypto } from "./node.ts";

/**
 * The longest file that a browser hashes, in bytes: Web Crypto wants all of it in memory at once. Above, the sizes and
 * the storage's checksums of the parts have to do.
 */
const MOST_IN_MEMORY = 64 * 2 ** 20;

/**
 * Returns the SHA-256, undefined where it cannot be had: in pages without TLS, and of very long files in a browser.
 * `SourceChanged` when the file is not what it was when it was opened.
 */
export async function sha256(blob: Blob): Promise<Uint8Array | undefined> {
  try {
    return await digestOf(blob);
  } catch (error) {
    throw isUnreadable(error) ? new SourceChanged("The file was changed or removed.", { cause: error }) : error;
  }
}

async function digestOf(blob: Blob): Promise<Uint8Array | undefined> {
  const crypto = nodeCrypto();
  if (crypto !== undefined) {
    const hash = crypto.createHash("sha256");
    for await (const chunk of blob.stream()) hash.update(chunk);
    return hash.digest();
  }
  if (globalThis.crypto?.subtle === undefined || blob.size > MOST_IN_MEMORY) return undefined;
  return new Uint8Array(await globalThis.crypto.subtle.digest("SHA-256", await blob.arrayBuffer()));
}

/** Says whether this is what a blob throws when its file was changed (File API §6.5). */
export function isUnreadable(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  return error.name === "NotReadableError" || isUnreadable(error.cause);
}

export function toHex(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

export function toBase64(bytes: Uint8Array): string {
  return btoa(String.fromCharCode(...bytes));
}

/** Returns the bytes of a Base64 text; `undefined` for a text that is none. */
export function fromBase64(text: string): Uint8Array<ArrayBuffer> | undefined {
  try {
    return Uint8Array.from(atob(text), (sign) => sign.charCodeAt(0));
  } catch {
    return undefined;
  }
}
