/** An upload by tus (tus.io): from wherever the server says that it is, again and again until all is there. */

import type { Api } from "./api.ts";
import { writeToken } from "./api.ts";
import { apiError, ConnectionFailed, type TintypeError } from "./errors.ts";
import type { UploadLink } from "./model.ts";
import { inNode } from "./node.ts";
import type { Meter } from "./progress.ts";
import { isPassing } from "./retry.ts";

/** What one request carries in Node, where tus-js-client wants it in memory. A browser sends all in one. */
const PIECE_BYTES = 8 * 2 ** 20;

/** Counted anew whenever something arrived: a line may break as often as it likes. */
const PAUSES_MS = [500, 1_000, 2_000, 5_000, 10_000, 20_000];

/** The server still holds on to a connection that has gone; in a moment it will not. */
const HELD: ReadonlySet<number> = new Set([409, 423]);

interface Failure extends Error {
  originalResponse?: { getStatus(): number; getBody(): string } | null;
}

/** Sends what the server has not got; when this resolves, the upload is complete. */
export async function sendResumable(
  api: Api,
  link: UploadLink,
  target: NonNullable<UploadLink["upload"]>,
  blob: Blob,
  meter: Meter,
  signal?: AbortSignal,
): Promise<void> {
  const { Upload } = await import("tus-js-client"); // only now: whoever never needs it never loads it
  let stop = () => {};
  try {
    await new Promise<void>((resolve, reject) => {
      const upload = new Upload(blob as File, {
        uploadUrl: new URL(target.url, api.base).href,
        uploadSize: blob.size,
        headers: writeToken(link.write_token), // those of the protocol are the library's; a browser would send both
        retryDelays: PAUSES_MS,
        storeFingerprintForResuming: false, // the address is a secret, and what an upload goes on by is its link
        onShouldRetry: (error: Failure) => mayPass(error.originalResponse?.getStatus() ?? 0),
        onProgress: meter.part(0, blob.size),
        onError: (error: Failure) => reject(errorOf(error)),
        onSuccess: () => resolve(),
        ...(inNode() ? { chunkSize: PIECE_BYTES, fileReader: { openFile: async () => piecesOf(blob) } } : {}),
      });
      stop = () => {
        void upload.abort();
        reject(signal?.reason);
      };
      signal?.addEventListener("abort", stop);
      upload.start();
    });
  } finally {
    signal?.removeEventListener("abort", stop);
  }
}

function mayPass(status: number): boolean {
  return status === 0 || isPassing(status) || HELD.has(status);
}

/** The library's own message has the address, which is a secret. */
function errorOf({ originalResponse: answer }: Failure): TintypeError {
  if (answer && answer.getStatus() >= 400) return apiError(answer.getStatus(), answer.getBody() ?? "");
  return new ConnectionFailed("The server cannot be reached, or the line broke.");
}

function piecesOf(blob: Blob) {
  return {
    size: blob.size,
    slice: async (start: number, end: number) => {
      const bytes = Buffer.from(await blob.slice(start, end).arrayBuffer());
      return { value: Object.assign(bytes, { size: bytes.length }), done: end >= blob.size }; // the library wants both
    },
    close: () => {},
  };
}
