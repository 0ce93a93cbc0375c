/** What may be uploaded, as one blob: whatever its size, only what is being sent is in memory. */

import { nodeFs } from "./node.ts";

/** A path or `file:` URL (in Node), a File or Blob, or the bytes themselves. */
export type Uploadable = string | URL | Blob | ArrayBuffer | Uint8Array;

/** A file that is ready to be sent. */
export interface Source {
  blob: Blob;
  /** Its name without folders, if it has one. */
  name: string | undefined;
  /** The media type, as the first bytes or else the blob say; the server looks for itself. */
  type: string;
}

/** Opens what was given; `TypeError` for a path where there are no files, Node's own error for one that is not there. */
export async function openSource(given: Uploadable): Promise<Source> {
  const blob = await toBlob(given);
  return { blob, name: nameOf(given), type: (await sniff(blob)) ?? "application/octet-stream" };
}

async function toBlob(given: Uploadable): Promise<Blob> {
  if (given instanceof Blob) return given;
  if (typeof given === "string" || given instanceof URL) {
    const fs = nodeFs();
    if (fs === undefined) throw new TypeError("A browser has no paths. Give a File, a Blob or bytes.");
    return await fs.openAsBlob(given);
  }
  return new Blob([given instanceof ArrayBuffer ? given : new Uint8Array(given)]);
}

function nameOf(given: Uploadable): string | undefined {
  if (given instanceof Blob) return "name" in given && typeof given.name === "string" ? given.name : undefined;
  if (given instanceof URL) return decodeURIComponent(given.pathname).split("/").at(-1);
  return typeof given === "string" ? given.split(/[/\\]/).at(-1) : undefined;
}

const LONGEST_MAGIC = 12;

/** Returns the media type that the first bytes are of, undefined when they are of none that is known here. */
async function sniff(blob: Blob): Promise<string | undefined> {
  const head = new Uint8Array(await blob.slice(0, LONGEST_MAGIC).arrayBuffer());
  const text = String.fromCharCode(...head);
  if (text.startsWith("\xff\xd8\xff")) return "image/jpeg";
  if (text.startsWith("\x89PNG\r\n\x1a\n")) return "image/png";
  if (text.startsWith("GIF87a") || text.startsWith("GIF89a")) return "image/gif";
  if (text.startsWith("RIFF") && text.endsWith("WEBP")) return "image/webp";
  if (/^....ftypavi[fs]/s.test(text)) return "image/avif";
  if (/^....ftyp(hei[cx]|mif1|msf1)/s.test(text)) return "image/heic";
  return undefined;
}
