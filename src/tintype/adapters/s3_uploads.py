"""Uploads that go straight to S3: `ports/direct_uploads.py` by signed addresses."""

import base64
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final
from xml.sax.saxutils import escape

from tintype.adapters.s3_requests import Found, Refused, S3Requests, denied
from tintype.domain.parts import MAX_PARTS
from tintype.ports.blobs import BlobMismatch, BlobMissing, BlobStore, check_key, check_prefix
from tintype.ports.direct_uploads import (
    MAX_LIFETIME,
    MAX_PART_BYTES,
    MAX_PUT_BYTES,
    SignedRequest,
    StoredPart,
    UnfinishedUpload,
)

_CHECKSUM: Final = "x-amz-checksum-sha256"
_ALGORITHM: Final = "x-amz-checksum-algorithm"
_OVER: Final = frozenset({"NoSuchUpload", "NoSuchKey"})
_PARTS_ARE_WRONG: Final = frozenset({"InvalidPart", "InvalidPartOrder", "EntityTooSmall", "BadDigest", "MalformedXML"})


class S3Uploads:
    """Signs what clients send to the bucket, under the endpoint that they reach it by."""

    def __init__(self, requests: S3Requests, blobs: BlobStore) -> None:
        """`blobs` is the same bucket: a completion that is repeated looks there."""
        self._requests = requests
        self._blobs = blobs

    def put(
        self, key: str, *, size: int, content_type: str, sha256: bytes | None, lifetime: timedelta
    ) -> SignedRequest:
        """Sign a request that stores a whole blob; see `DirectUploads.put`."""
        _check_size(size, 0, MAX_PUT_BYTES)
        return self._signed(key, {"content-type": content_type, **_bound(size, sha256)}, {}, lifetime)

    async def begin(self, key: str, *, content_type: str, hashed: bool = False) -> str:
        """Begin an upload in parts; see `DirectUploads.begin`."""
        check_key(key)
        headers = {"content-type": content_type, **({_ALGORITHM: "SHA256"} if hashed else {})}
        try:
            return (await self._requests.ask("POST", key, {"uploads": ""}, headers=headers)).text("UploadId")
        except Refused as error:
            raise denied(error) from None

    def part(
        self, key: str, upload: str, number: int, *, size: int, sha256: bytes | None, lifetime: timedelta
    ) -> SignedRequest:
        """Sign a request that stores a part; see `DirectUploads.part`."""
        _check_size(size, 1, MAX_PART_BYTES)
        if not 1 <= number <= MAX_PARTS:
            raise ValueError(f"parts have numbers from 1 to {MAX_PARTS}")
        query = {"partNumber": str(number), "uploadId": upload}
        return self._signed(key, _bound(size, sha256), query, lifetime)

    async def parts(self, key: str, upload: str) -> tuple[StoredPart, ...]:
        """Return what is there; see `DirectUploads.parts`."""
        check_key(key)
        found, marker = list[StoredPart](), "0"
        while True:
            page = await self._asked("GET", key, {"uploadId": upload, "part-number-marker": marker})
            found += [_part(part) for part in page.all("Part")]
            marker = page.text("NextPartNumberMarker")
            if page.text("IsTruncated") != "true" or not marker:
                return tuple(sorted(found, key=lambda part: part.number))

    async def complete(self, key: str, upload: str, parts: Sequence[StoredPart]) -> None:
        """Make the blob of the parts; see `DirectUploads.complete`."""
        check_key(key)
        body = f"<CompleteMultipartUpload>{''.join(map(_named, parts))}</CompleteMultipartUpload>".encode()
        try:
            await self._asked("POST", key, {"uploadId": upload}, body=body)
        except BlobMissing:
            if await self._blobs.head(key) is None:
                raise

    async def abort(self, key: str, upload: str) -> None:
        """Drop the parts; see `DirectUploads.abort`."""
        check_key(key)
        try:
            await self._requests.ask("DELETE", key, {"uploadId": upload})
        except Refused as error:
            if error.code not in _OVER and error.status != 404:
                raise denied(error) from None

    async def unfinished(self, prefix: str = "", *, older_seconds: float = 0) -> AsyncIterator[UnfinishedUpload]:
        """Give the uploads in parts that nobody completed; see `DirectUploads.unfinished`."""
        check_prefix(prefix)
        before, ours = datetime.now(UTC) - timedelta(seconds=older_seconds), self._requests.bucket.prefix
        query = {"uploads": "", "prefix": f"{ours}{prefix}"}
        while True:
            page = await self._asked("GET", "", query)
            for found in page.all("Upload"):
                upload = UnfinishedUpload(
                    found.text("Key").removeprefix(ours),
                    found.text("UploadId"),
                    datetime.fromisoformat(found.text("Initiated")),
                )
                if upload.begun_at <= before:
                    yield upload
            if page.text("IsTruncated") != "true":
                return
            query |= {"key-marker": page.text("NextKeyMarker"), "upload-id-marker": page.text("NextUploadIdMarker")}

    async def _asked(self, method: str, key: str, query: dict[str, str], *, body: bytes = b"") -> Found:
        try:
            return await self._requests.ask(method, key, query, body=body)
        except Refused as error:
            if error.code in _OVER:
                raise BlobMissing(key) from None
            if error.code in _PARTS_ARE_WRONG:
                raise BlobMismatch(f"the parts do not make the blob: {error.code}") from None
            raise denied(error) from None

    def _signed(self, key: str, headers: dict[str, str], query: dict[str, str], lifetime: timedelta) -> SignedRequest:
        check_key(key)
        if not timedelta(seconds=1) <= lifetime <= MAX_LIFETIME:
            raise ValueError(f"a signature holds for a second to {MAX_LIFETIME.days} days")
        now, seconds = datetime.now(UTC).replace(microsecond=0), int(lifetime.total_seconds())
        bucket, signer = self._requests.bucket, self._requests.signer
        url = signer.sign("PUT", bucket.url(key, public=True), seconds=seconds, now=now, headers=headers, query=query)
        return SignedRequest("PUT", url, headers, now + timedelta(seconds=seconds))


def _check_size(size: int, least: int, most: int) -> None:
    if not least <= size <= most:
        raise ValueError(f"the store takes {least} to {most} bytes at once")


def _bound(size: int, sha256: bytes | None) -> dict[str, str]:
    """Return the headers that bind the bytes."""
    checksum = {_CHECKSUM: base64.b64encode(sha256).decode()} if sha256 is not None else {}
    return {"content-length": str(size), **checksum}


def _part(found: Found) -> StoredPart:
    checksum = found.text("ChecksumSHA256")
    return StoredPart(
        int(found.text("PartNumber")),
        int(found.text("Size")),
        found.text("ETag").strip('"'),
        base64.b64decode(checksum) if checksum else None,
    )


def _named(part: StoredPart) -> str:
    checksum = f"<ChecksumSHA256>{base64.b64encode(part.sha256).decode()}</ChecksumSHA256>" if part.sha256 else ""
    return f"<Part><PartNumber>{part.number}</PartNumber><ETag>{escape(part.etag)}</ETag>{checksum}</Part>"
