"""What clients may put straight into a remote store, and what the store refuses: `ports/direct_uploads.py` as code.

The server is real, and so are its refusals: it knows our signatures only by what it computes itself.
"""

import asyncio
import hashlib
import os
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import httpx
import pytest

from s3_server import Bucket, S3Server
from tintype.adapters.blobs_s3 import S3BlobStore
from tintype.adapters.staging_local import LocalStaging
from tintype.domain.parts import MAX_PARTS, MIN_PART_BYTES
from tintype.ports.blobs import BlobMismatch, BlobMissing, BlobStoreFailed
from tintype.ports.direct_uploads import DirectUploads, SignedRequest, UnfinishedUpload
from tintype.settings_blobs import S3Bucket, S3Credentials, place_of, s3_credentials

pytestmark = pytest.mark.anyio

CONTENT = b"the bytes of an image"
SHA256 = hashlib.sha256(CONTENT).digest()
QUARTER = timedelta(minutes=15)
KEY = "staging/1/0000000000000001/content"


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def bucket(s3_server: S3Server) -> Bucket:
    return s3_server.shared_bucket


@pytest.fixture
def store(s3_server: S3Server, bucket: Bucket, tmp_path: Path) -> S3BlobStore:
    return store_of(bucket.url(f"direct/{tmp_path.name}"), s3_credentials(s3_server.environment), tmp_path)


def store_of(url: str, credentials: S3Credentials, directory: Path) -> S3BlobStore:
    place = place_of(url)
    assert isinstance(place, S3Bucket)
    return S3BlobStore(place, credentials, LocalStaging(directory / "staging"))


@pytest.fixture
def uploads(store: S3BlobStore) -> DirectUploads:
    return store.uploads


def signed_put(uploads: DirectUploads, lifetime: timedelta = QUARTER, size: int = len(CONTENT)) -> SignedRequest:
    return uploads.put(KEY, size=size, content_type="image/png", sha256=SHA256, lifetime=lifetime)


async def send(request: SignedRequest, content: bytes = CONTENT, method: str = "", **headers: str) -> httpx.Response:
    given = {name: value for name, value in {**request.headers, **headers}.items() if value}
    async with httpx.AsyncClient() as client:
        return await client.request(method or request.method, request.url, content=content, headers=given)


async def read(store: S3BlobStore, key: str = KEY) -> bytes:
    return b"".join([chunk async for chunk in await store.read(key)])


async def found(unfinished: AsyncIterator[UnfinishedUpload]) -> list[tuple[str, str]]:
    return [(upload.key, upload.upload) async for upload in unfinished]


# One object


async def test_a_client_stores_the_bytes_that_were_signed(
    store: S3BlobStore, uploads: DirectUploads, bucket: Bucket
) -> None:
    answer = await send(signed_put(uploads))
    assert answer.status_code == 200
    assert await read(store) == CONTENT
    (key,) = bucket.keys(store.bucket.prefix)
    assert bucket.s3.head_object(Bucket=bucket.name, Key=key)["ContentType"] == "image/png"


@pytest.mark.parametrize(
    ("content", "headers"),
    [
        pytest.param(CONTENT[:-1], {"content-length": str(len(CONTENT) - 1)}, id="fewer bytes"),
        pytest.param(CONTENT + b"!", {"content-length": str(len(CONTENT) + 1)}, id="more bytes"),
        pytest.param(CONTENT[::-1], {}, id="as many other bytes"),
        pytest.param(CONTENT, {"content-type": "text/html"}, id="another type"),
        pytest.param(CONTENT, {"x-amz-checksum-sha256": ""}, id="no checksum"),
    ],
)
async def test_anything_else_than_what_was_signed_is_refused_and_not_kept(
    store: S3BlobStore, uploads: DirectUploads, content: bytes, headers: dict[str, str]
) -> None:
    answer = await send(signed_put(uploads), content, **headers)
    assert answer.status_code in {400, 403}
    assert await store.head(KEY) is None


async def test_a_signature_is_for_one_method_one_key_and_a_time(store: S3BlobStore, uploads: DirectUploads) -> None:
    request = signed_put(uploads)
    for changed in (replace(request, method="GET"), replace(request, url=request.url.replace("content?", "other?"))):
        assert (await send(changed)).status_code == 403
    short = signed_put(uploads, timedelta(seconds=1))
    await asyncio.sleep(max(0.0, short.expires_at.timestamp() + 1 - time.time()))
    assert (await send(short)).status_code == 403
    assert await store.head(KEY) is None


async def test_what_no_store_takes_is_not_signed(uploads: DirectUploads) -> None:
    with pytest.raises(ValueError, match="bytes"):
        signed_put(uploads, size=5 * 2**30 + 1)
    with pytest.raises(ValueError, match="signature"):
        signed_put(uploads, timedelta(days=8))
    with pytest.raises(ValueError, match="key"):
        uploads.put("../x", size=1, content_type="image/png", sha256=None, lifetime=QUARTER)
    with pytest.raises(ValueError, match="numbers"):
        uploads.part(KEY, "upload", MAX_PARTS + 1, size=1, sha256=None, lifetime=QUARTER)


def test_clients_are_sent_to_the_endpoint_that_they_reach(s3_server: S3Server, bucket: Bucket, tmp_path: Path) -> None:
    url = bucket.url("p", public_endpoint="https://files.example.org:443", region="eu-central-1")
    store = store_of(url, s3_credentials(s3_server.environment), tmp_path)
    request = signed_put(store.uploads)
    assert request.url.startswith(f"https://files.example.org/{bucket.name}/p/{KEY}?")
    assert "%2Feu-central-1%2Fs3%2F" in request.url
    assert request.url not in repr(request)


# In parts


async def send_parts(uploads: DirectUploads, upload: str, parts: dict[int, bytes], *, hashed: bool = True) -> None:
    for number, content in parts.items():
        sha256 = hashlib.sha256(content).digest() if hashed else None
        request = uploads.part(KEY, upload, number, size=len(content), sha256=sha256, lifetime=QUARTER)
        answer = await send(request, content)
        assert answer.status_code == 200, answer.text
        assert answer.headers["etag"]


@pytest.mark.parametrize("hashed", [True, False])
async def test_parts_that_come_in_any_order_make_a_blob(
    store: S3BlobStore,
    uploads: DirectUploads,
    hashed: bool,  # noqa: FBT001 -- a parameter
) -> None:
    parts = {number: os.urandom(MIN_PART_BYTES if number < 5 else 9) for number in (4, 1, 5, 3, 2)}
    upload = await uploads.begin(KEY, content_type="image/png", hashed=hashed)
    assert await uploads.parts(KEY, upload) == ()
    await send_parts(uploads, upload, parts, hashed=hashed)
    there = await uploads.parts(KEY, upload)  # the server lists three at once
    assert [(part.number, part.size) for part in there] == [(number, len(parts[number])) for number in sorted(parts)]
    assert await store.head(KEY) is None
    await uploads.complete(KEY, upload, there)
    assert await read(store) == b"".join(parts[number] for number in sorted(parts))
    await uploads.complete(KEY, upload, there)


async def test_a_part_that_is_sent_again_replaces_what_it_was(store: S3BlobStore, uploads: DirectUploads) -> None:
    upload = await uploads.begin(KEY, content_type="image/png", hashed=True)
    for content in (b"first", b"second"):
        await send_parts(uploads, upload, {1: content})
    await uploads.complete(KEY, upload, await uploads.parts(KEY, upload))
    assert await read(store) == b"second"


async def test_a_part_with_other_bytes_is_refused(uploads: DirectUploads) -> None:
    upload = await uploads.begin(KEY, content_type="image/png", hashed=True)
    request = uploads.part(KEY, upload, 1, size=len(CONTENT), sha256=SHA256, lifetime=QUARTER)
    assert (await send(request, CONTENT[::-1])).status_code == 400
    assert (await send(replace(request, url=request.url.replace("partNumber=1", "partNumber=2")))).status_code == 403
    assert await uploads.parts(KEY, upload) == ()
    await uploads.abort(KEY, upload)


async def test_parts_that_are_not_there_or_too_small_make_no_blob_and_the_upload_goes_on(
    store: S3BlobStore, uploads: DirectUploads
) -> None:
    upload = await uploads.begin(KEY, content_type="image/png")
    await send_parts(uploads, upload, {1: b"small", 2: b"smaller"}, hashed=False)
    there = await uploads.parts(KEY, upload)
    for wrong in (there, (replace(there[0], etag="0" * 32),), (replace(there[0], number=7),), ()):
        with pytest.raises(BlobMismatch):
            await uploads.complete(KEY, upload, wrong)
    assert await store.head(KEY) is None
    await uploads.complete(KEY, upload, there[:1])
    assert await read(store) == b"small"


async def test_what_was_aborted_is_gone_and_aborting_it_again_is_no_error(
    store: S3BlobStore, uploads: DirectUploads
) -> None:
    upload = await uploads.begin(KEY, content_type="image/png")
    await send_parts(uploads, upload, {1: b"small"}, hashed=False)
    there = await uploads.parts(KEY, upload)
    for _ in range(2):
        await uploads.abort(KEY, upload)
    with pytest.raises(BlobMissing):
        await uploads.parts(KEY, upload)
    with pytest.raises(BlobMissing):
        await uploads.complete(KEY, upload, there)
    assert await store.head(KEY) is None


async def test_what_nobody_finished_is_found_by_its_age(store: S3BlobStore, uploads: DirectUploads) -> None:
    first = await uploads.begin(KEY, content_type="image/png")
    second = await uploads.begin("1/original/x", content_type="image/png")
    assert await found(uploads.unfinished(older_seconds=-60)) == [("1/original/x", second), (KEY, first)]
    assert await found(uploads.unfinished("staging/", older_seconds=-60)) == [(KEY, first)]
    assert await found(uploads.unfinished(older_seconds=60)) == []
    left = await store.leftovers(older_seconds=-60, remove=True)  # not what a client may still be sending
    assert [name.partition(" ")[0] for name in left] == ["1/original/x"]
    assert await found(uploads.unfinished(older_seconds=-60)) == [(KEY, first)]
    await uploads.abort(KEY, first)


async def test_a_store_that_refuses_or_is_away_is_a_failure_without_a_secret(bucket: Bucket, tmp_path: Path) -> None:
    wrong = S3Credentials("test:tester", "anything but the secret")
    away = bucket.url().replace(bucket.endpoint, "http://127.0.0.1:9")
    for url, credentials in ((bucket.url(), wrong), (away, wrong)):
        uploads = store_of(url, credentials, tmp_path).uploads
        with pytest.raises(BlobStoreFailed) as caught:
            await uploads.begin(KEY, content_type="image/png")
        assert caught.value.__cause__ is None
        assert "X-Amz" not in str(caught.value)
        assert "secret" not in str(caught.value)


async def test_a_bucket_that_keeps_versions_is_known(s3_server: S3Server, tmp_path: Path) -> None:
    bucket = s3_server.bucket()
    store = store_of(bucket.url(), s3_credentials(s3_server.environment), tmp_path)
    assert await store.keeps_versions() is False
    bucket.s3.put_bucket_versioning(Bucket=bucket.name, VersioningConfiguration={"Status": "Enabled"})
    assert await store.keeps_versions() is True
