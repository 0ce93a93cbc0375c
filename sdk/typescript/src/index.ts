/** `@tintype/client`: upload images to Tintype, from Node and from the browser. */

export type { ClientOptions } from "./api.ts";
export {
  type CallOptions,
  type ImageOrId,
  type ReplaceOptions,
  Tintype,
  type TokenOptions,
  uploadTo,
} from "./client.ts";
export * from "./errors.ts";
export type * from "./model.ts";
export type { Store } from "./resume.ts";
export type { RetryPolicy } from "./retry.ts";
export type { Uploadable } from "./source.ts";
export type { LinkOptions, SendOptions, UploadOptions } from "./upload.ts";
export type { WaitOptions } from "./waiting.ts";
export { type HeadersLike, type VerifyOptions, verifyWebhook, type WebhookEvent } from "./webhooks.ts";
