/**
 * What is kept of an upload until it is done, so that a page that was closed or reloaded goes on where it was.
 *
 * It is the link, which can write this one upload and nothing else, until it expires.
 */

import { toHex } from "./digest.ts";
import { fieldsJson } from "./fields.ts";
import type { ImageFields, UploadLink } from "./model.ts";
import { inNode } from "./node.ts";
import type { Source } from "./source.ts";

/** Where links are kept; a page's `localStorage` is one. */
export type Store = Pick<Storage, "getItem" | "setItem" | "removeItem">;

/** The place of one upload in a store. */
export class Kept {
  private readonly store: Store;
  private readonly name: string;

  constructor(store: Store, name: string) {
    this.store = store;
    this.name = name;
  }

  /** Returns the link of an earlier attempt that may still go on. */
  link(): UploadLink | undefined {
    try {
      const link = JSON.parse(this.store.getItem(this.name) ?? "null") as UploadLink | null;
      return link !== null && Date.parse(link.expires_at) > Date.now() ? link : undefined;
    } catch {
      return undefined; // what another version of this package wrote is as good as nothing
    }
  }

  keep(link: UploadLink): void {
    this.store.setItem(this.name, JSON.stringify(link));
  }

  forget(): void {
    this.store.removeItem(this.name);
  }
}

/** Returns the page's own store; `TypeError` in Node, which has none. */
export function usualStore(): Store {
  if (!inNode() && globalThis.localStorage !== undefined) return globalThis.localStorage;
  throw new TypeError("Say where uploads are kept that are to be resumed: new Tintype({ store: … }).");
}

/** Returns what tells this upload from others: the server, the file and what is said of it. */
export function uploadName(base: string, source: Source, digest: Uint8Array | undefined, fields: ImageFields): string {
  const { blob, name } = source;
  const file = digest ? toHex(digest) : [name, blob.size, "lastModified" in blob ? blob.lastModified : null];
  return `tintype.upload.${JSON.stringify([base, file, fieldsJson(fields)])}`;
}
