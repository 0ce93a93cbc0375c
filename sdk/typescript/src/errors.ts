/**
 * What can go wrong, as errors. The server's stable `code` decides which one an answer becomes; one that is newer than
 * this package becomes what its status says.
 *
 *     TintypeError
 *     ├── ConnectionFailed      no answer, although it was tried again
 *     ├── ApiError              the server said no: `status`, `code`, `detail`, `errors`, `requestId`
 *     │   ├── AuthenticationError, PermissionDenied, QuotaExceeded, RateLimited, Unavailable, StorageFull
 *     │   ├── NotFound, Gone, Conflict, PreconditionFailed, IdempotencyMismatch, InvalidRequest
 *     │   ├── ImageTooLarge, UnsupportedFormat, ImageMalformed
 *     │   └── ChecksumMismatch, UploadExpired, SourceFailed
 *     ├── ImageRejected         taken in, then found to be no image that can be shown: `image`, `reason`
 *     ├── NotReady              not processed in the time that you would wait: `image`
 *     ├── SourceChanged         the file is not what it was when its upload began
 *     └── WebhookInvalid        not signed by who has the secret, or too old
 *
 * What you abort by an `AbortSignal` ends with the signal's own reason, as `fetch` does.
 */

import type { Image, UploadLink } from "./model.ts";

/** One bad field of a request, and what is wrong with it. */
export interface FieldError {
  field: string;
  message: string;
}

/** The codes that programs ask for most. */
export type KnownCode =
  | "auth.required"
  | "auth.forbidden"
  | "conflict"
  | "idempotency.mismatch"
  | "image.gone"
  | "image.malformed"
  | "image.too_large"
  | "image.too_many_frames"
  | "image.too_many_pixels"
  | "image.unsupported_format"
  | "internal"
  | "not_found"
  | "precondition_failed"
  | "quota.exceeded"
  | "rate_limited"
  | "request.invalid"
  | "storage.full"
  | "unavailable"
  | "upload.checksum_mismatch"
  | "upload.expired"
  | "upload.incomplete";

/** A code: editors offer the known ones, others are allowed. */
export type ErrorCode = KnownCode | (string & {});

/** Whatever this package throws. */
export class TintypeError extends Error {
  /** Where the upload can go on: `client.uploadTo(error.link, file)`. Not enumerable: it is a secret, and logs show all. */
  declare link?: UploadLink;

  override readonly name: string = "TintypeError"; // written out in each class: minifiers rename classes

  /** Notes where the upload can go on, and returns the error. */
  withLink(link: UploadLink): this {
    Object.defineProperty(this, "link", { value: link, enumerable: false, configurable: true });
    return this;
  }
}

/** The server could not be reached, or did not answer to the end, however often it was tried. */
export class ConnectionFailed extends TintypeError {
  override readonly name: string = "ConnectionFailed";
}

/** The file is not what it was when its upload began. */
export class SourceChanged extends TintypeError {
  override readonly name: string = "SourceChanged";
}

/** The webhook was not signed with a secret that you gave, or is too old to be believed. */
export class WebhookInvalid extends TintypeError {
  override readonly name: string = "WebhookInvalid";
}

/** What an answer says beside its status. */
export interface ErrorDetails {
  code: ErrorCode;
  detail: string;
  errors?: readonly FieldError[] | undefined;
  requestId?: string | undefined;
  /** Seconds after which the server would like to be asked again. */
  retryAfter?: number | undefined;
}

/** The server refused. `code` is stable (`image.too_large`); `detail` is a sentence for people. */
export class ApiError extends TintypeError {
  override readonly name: string = "ApiError";
  readonly status: number;
  readonly code: ErrorCode;
  readonly detail: string;
  readonly errors: readonly FieldError[];
  readonly requestId: string | undefined;
  readonly retryAfter: number | undefined;

  constructor(status: number, details: ErrorDetails) {
    const { code, detail, errors = [], requestId, retryAfter } = details;
    const named = errors.map(({ field, message }) => ` ${field}: ${message}`).join("");
    super(`${detail}${named} (${code})`);
    this.status = status;
    this.code = code;
    this.detail = detail;
    this.errors = errors;
    this.requestId = requestId;
    this.retryAfter = retryAfter;
  }
}

/** No credential, or one that is not valid (401). */
export class AuthenticationError extends ApiError {
  override readonly name: string = "AuthenticationError";
}

/** The credential does not allow this (403). */
export class PermissionDenied extends ApiError {
  override readonly name: string = "PermissionDenied";
}

/** The account or the site has used up what it may keep. */
export class QuotaExceeded extends ApiError {
  override readonly name: string = "QuotaExceeded";
}

/** Too many requests, and the wait that the server asks for is longer than you allowed. */
export class RateLimited extends ApiError {
  override readonly name: string = "RateLimited";
}

/** The server, or something behind it, cannot answer right now (5xx). */
export class Unavailable extends ApiError {
  override readonly name: string = "Unavailable";
}

/** The server's disk is full (507). */
export class StorageFull extends ApiError {
  override readonly name: string = "StorageFull";
}

/** There is no such thing, or it is not for you to see. */
export class NotFound extends ApiError {
  override readonly name: string = "NotFound";
}

/** The image was deleted for good. */
export class Gone extends ApiError {
  override readonly name: string = "Gone";
}

/** The thing is not in a state for this (409). */
export class Conflict extends ApiError {
  override readonly name: string = "Conflict";
}

/** The image has changed since the version that you named (412). */
export class PreconditionFailed extends ApiError {
  override readonly name: string = "PreconditionFailed";
}

/** The `idempotencyKey` was used for another request. */
export class IdempotencyMismatch extends Conflict {
  override readonly name: string = "IdempotencyMismatch";
}

/** A field or parameter is wrong; `errors` names each. */
export class InvalidRequest extends ApiError {
  override readonly name: string = "InvalidRequest";
}

/** The file has more bytes than its kind allows. */
export class ImageTooLarge extends ApiError {
  override readonly name: string = "ImageTooLarge";
}

/** The file is in no format that its kind allows. */
export class UnsupportedFormat extends ApiError {
  override readonly name: string = "UnsupportedFormat";
}

/** The file is damaged, or has more pixels or frames than its kind allows. */
export class ImageMalformed extends ApiError {
  override readonly name: string = "ImageMalformed";
}

/** What arrived is not what was sent; nothing of it was kept. */
export class ChecksumMismatch extends ApiError {
  override readonly name: string = "ChecksumMismatch";
}

/** The upload took longer than the server waits for one, or was aborted. Begin again. */
export class UploadExpired extends ApiError {
  override readonly name: string = "UploadExpired";
}

/** The URL that was to be fetched gave no file: it cannot be reached, refused, or was too slow. */
export class SourceFailed extends ApiError {
  override readonly name: string = "SourceFailed";
}

/** The bytes arrived, and turned out to be no image that can be shown; `reason` is a code as `ApiError`'s. */
export class ImageRejected extends TintypeError {
  override readonly name: string = "ImageRejected";
  readonly image: Image;
  readonly reason: ErrorCode;

  constructor(image: Image) {
    const reason = image.state_reason ?? image.state;
    super(`${image.id} is ${image.state}: ${reason}`);
    this.image = image;
    this.reason = reason;
  }
}

/** The image is safe, but its sizes were not there in time; `client.wait(image)` goes on waiting. */
export class NotReady extends TintypeError {
  override readonly name: string = "NotReady";
  readonly image: Image;

  constructor(image: Image, seconds: number) {
    super(`${image.id} is still ${image.state} after ${seconds} s. Wait on with client.wait().`);
    this.image = image;
  }
}

type Refusal = new (status: number, details: ErrorDetails) => ApiError;

/** What a code becomes where the status alone says too little. */
const BY_CODE: ReadonlyMap<string, Refusal> = new Map<string, Refusal>([
  ["image.too_large", ImageTooLarge],
  ["image.unsupported_format", UnsupportedFormat],
  ["image.malformed", ImageMalformed],
  ["image.too_many_pixels", ImageMalformed],
  ["image.too_many_frames", ImageMalformed],
  ["image.gone", Gone],
  ["upload.checksum_mismatch", ChecksumMismatch],
  ["upload.expired", UploadExpired],
  ["upload.aborted", UploadExpired],
  ["upload.empty", InvalidRequest],
  ["idempotency.mismatch", IdempotencyMismatch],
  ["quota.exceeded", QuotaExceeded],
  ["rate_limited", RateLimited],
  ["storage.full", StorageFull],
  ["source.unreachable", SourceFailed],
  ["source.refused", SourceFailed],
  ["source.too_slow", SourceFailed],
  ["source.incomplete", SourceFailed],
]);

const BY_STATUS: ReadonlyMap<number, Refusal> = new Map<number, Refusal>([
  [400, InvalidRequest],
  [401, AuthenticationError],
  [403, PermissionDenied],
  [404, NotFound],
  [409, Conflict],
  [410, Gone],
  [412, PreconditionFailed],
  [413, ImageTooLarge],
  [415, UnsupportedFormat],
  [422, InvalidRequest],
  [429, RateLimited],
  [460, ChecksumMismatch], // of tus
  [507, StorageFull],
]);

/** Returns the error that an answer with this status and body is. */
export function apiError(status: number, body: string, retryAfter?: number): ApiError {
  const problem = readProblem(body);
  const code = problem.code ?? `http.${status}`;
  const Family = BY_CODE.get(code) ?? BY_STATUS.get(status) ?? (status >= 500 ? Unavailable : ApiError);
  return new Family(status, {
    code,
    detail: problem.detail ?? problem.title ?? `The server answered ${status}.`,
    errors: problem.errors,
    requestId: problem.request_id,
    retryAfter,
  });
}

interface Problem {
  code?: string;
  title?: string;
  detail?: string;
  request_id?: string;
  errors?: FieldError[];
}

function readProblem(body: string): Problem {
  try {
    const read: unknown = JSON.parse(body);
    return typeof read === "object" && read !== null ? read : {};
  } catch {
    return {}; // a proxy's page, or the XML of S3: the status has to do
  }
}
