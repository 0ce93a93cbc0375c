/** What the API answers, as it answers it: names and units are those of its documentation. */

/** What an image belongs to: opaque texts of yours; the type `account` is Tintype's own. */
export interface Attachment {
  type: string;
  id: string;
}

/** The same as it may be given: `{ type: "product", id: "4711" }` or `"product:4711"`. */
export type AttachTo = Attachment | string;

export type Visibility = "public" | "unlisted" | "followers" | "private";

export type ImageState = "processing" | "ready" | "rejected" | "failed" | "quarantined" | "trashed" | "purged";

/** An image. Sizes in pixels after orientation, `bytes` as stored, times RFC 3339 in UTC. */
export interface Image {
  id: string;
  state: ImageState;
  /** The code of what was wrong, of an image that is `rejected` or `failed`. */
  state_reason: string | null;
  kind: string;
  url: string;
  /** Preset → URL. They answer at any time, also before the image is ready. */
  thumbnails: Record<string, string>;
  page_url: string;
  title: string | null;
  alt: string | null;
  tags: string[];
  visibility: Visibility;
  version: number;
  /** Null, as the sizes, until the file was looked at. */
  format: string | null;
  width: number | null;
  height: number | null;
  frames: number | null;
  bytes: number | null;
  sha256: string | null;
  source_sha256: string | null;
  deduplicated: boolean;
  thumbhash: string | null;
  dominant_color: string | null;
  views: number | null;
  owner: string | null;
  attached_to: Attachment | null;
  created_at: string;
  expires_at: string | null;
  /** Of an anonymous upload, and only in what `upload` returns: keep it, it is the right to delete. */
  delete_token?: string;
  /** Of an anonymous private upload, likewise: the right to see it. */
  read_token?: string;
}

/** One size of an image in one format; its measures are null until it is made. */
export interface Variant {
  preset: string;
  format: string;
  width: number | null;
  height: number | null;
  bytes: number | null;
  url: string;
  state: "ready" | "processing" | "on_demand";
}

/** What may be said about a new image. */
export interface ImageFields {
  /** What the image is for; the server's kinds have limits and sizes of their own. Default `image`. */
  kind?: string | undefined;
  title?: string | undefined;
  alt?: string | undefined;
  visibility?: Visibility | undefined;
  /** Seconds after which the image is deleted. */
  expiresIn?: number | undefined;
  attachTo?: AttachTo | undefined;
  tags?: readonly string[] | undefined;
}

/** What may be changed of an image; null clears, what is not named stays. */
export interface ImageChanges {
  title?: string | null | undefined;
  alt?: string | null | undefined;
  visibility?: Visibility | undefined;
  /** RFC 3339. */
  expiresAt?: string | null | undefined;
  attachTo?: AttachTo | null | undefined;
  tags?: readonly string[] | null | undefined;
}

/** Which images to list. */
export interface ImageFilter {
  kind?: string | undefined;
  state?: ImageState | undefined;
  /** SHA-256, in hexadecimal, of a file as it was sent. */
  sourceSha256?: string | undefined;
  attachedTo?: AttachTo | undefined;
  /** Words of title, alt and tags. */
  q?: string | undefined;
}

/** An address that opens one size of an image to whoever has it. */
export interface SignedUrl {
  url: string;
  expires_at: string;
}

/** How bytes are sent: in one request to storage, in parts side by side, in resumable pieces. */
export type LinkMethod = "put" | "multipart" | "tus";

/** The same, or `direct`: in one request to the API. */
export type UploadMethod = "direct" | LinkMethod;

/** One part of a multipart upload that waits for its bytes. Numbers begin with 1. */
export interface PartTarget {
  number: number;
  url: string;
}

/**
 * A one-time link: whoever has it may send one file of the size that was declared, and nothing else. It is plain JSON,
 * made to be handed to a browser.
 */
export interface UploadLink {
  id: string;
  image_id: string;
  method: LinkMethod;
  /** Where the bytes go, of all but multipart. */
  upload?: { url: string; method: string; headers?: Record<string, string> };
  write_token: string;
  read_token?: string | null;
  expires_at: string;
  part_size?: number | null;
  parts?: PartTarget[] | null;
  /** The address of the API, where the upload is completed. Added by this package; others may have made the link. */
  api?: string;
}

/** How far an upload is. */
export interface UploadStatus {
  id: string;
  image_id: string;
  state: "requested" | "receiving" | "received" | "committed" | "aborted" | "expired" | "rejected";
  parts?: { number: number; size?: number; etag?: string }[] | null;
}

/** How far an upload is, in bytes. After a broken connection `sent` may be less than it was: some is sent again. */
export interface Progress {
  sent: number;
  total: number;
  phase: "sending" | "processing" | "done";
}
