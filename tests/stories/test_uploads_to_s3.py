"""With a remote store the bytes of an upload go there straight, and the worker is the first of ours to read them."""

import hashlib
import time
from base64 import b64encode
from collections.abc import Iterator
from typing import Final

import httpx
import pytest

import samples
from command_line import tintype
from postgres import passable_directory
from product import Product, eventually, start_product
from reserving import UPLOADS, abort, complete, look, number, reserve, send, send_parts, sweep
from resumable import TUS, VERSION, begin, committed, offset_of, send_and_break_off
from resumable import send as patch
from s3_server import Bucket, S3Server
from tintype_client import Progress, Tintype

PART: Final = 8 * 2**20


@pytest.fixture(scope="module")
def bucket(s3_server: S3Server) -> Bucket:
    return s3_server.bucket()


@pytest.fixture(scope="module")
def product(s3_server: S3Server, bucket: Bucket) -> Iterator[Product]:
    environment = {**s3_server.environment, "TINTYPE_BLOBS_URL": bucket.url()}
    with (
        passable_directory() as directory,
        start_product(directory / "data", environment=environment) as running,
    ):
        yield running


def photo(seed: int, size: int = 0) -> bytes:
    """Return a picture, with so many bytes behind its end, which are cut off."""
    data = samples.jpeg(60, 40, seed=seed)
    return data + bytes(max(0, size - len(data)))


@pytest.mark.parametrize("method", ["put", "multipart"])
def test_the_bytes_go_to_the_store_and_never_through_the_api(product: Product, bucket: Bucket, method: str) -> None:
    before, data = product.metric("tintype_upload_bytes_total"), photo(930, PART + 2**20)
    reserved = reserve(product.client, data, method=method, content_type="image/jpeg")
    if method == "put":
        assert reserved["upload"]["url"].startswith(bucket.endpoint)
        assert send(reserved, data).status_code == 200
        answer = complete(product, reserved)
    else:
        assert all(part["url"].startswith(bucket.endpoint) for part in reserved["parts"])
        named = send_parts(reserved, data)
        assert [part["number"] for part in look(product, reserved)["parts"]] == [1, 2]
        answer = complete(product, reserved, parts=named)
    assert answer.status_code == 200, answer.text
    image = product.settled(answer.json())
    assert (image["state"], image["bytes"]) == ("ready", len(photo(930)))
    assert complete(product, reserved).json()["id"] == image["id"]
    assert product.metric("tintype_upload_bytes_total") == before
    assert eventually(lambda: not bucket.keys("staging/"))


def test_a_resumable_upload_waits_in_the_store_segment_by_segment(product: Product, bucket: Bucket) -> None:
    data = photo(935, 200_000)
    parts = {
        begin(product.client, 100_000, {"upload-concat": "partial"}): half for half in (data[:100_000], data[100_000:])
    }
    for path, half in parts.items():
        send_and_break_off(product, path, 0, len(half), half[:30_000])
        assert eventually(lambda: offset_of(product.client, path) == 30_000)  # noqa: B023 -- asked at once
        assert patch(product.client, path, 30_000, half[30_000:]).status_code == 204
    assert len(bucket.keys("staging/")) == 4
    whole = {**VERSION, "upload-concat": "final;" + " ".join(parts)}
    made = product.client.post(TUS, headers=whole)
    assert made.status_code == 201, made.text
    image = committed(product, made.headers["tintype-image"])
    assert (image["state"], image["source_sha256"]) == ("ready", hashlib.sha256(data).hexdigest())
    assert eventually(lambda: not bucket.keys("staging/"))


def test_the_python_client_sends_files_straight_to_the_store_and_goes_on_there(product: Product) -> None:
    data = photo(936, PART + 2**20)
    before = product.metric("tintype_upload_bytes_total")
    with Tintype(product.base_url, product.api_key) as client:
        images = [client.upload(data, method="put"), client.upload(data, method="multipart")]
        link = client.create_upload(len(data), method="multipart")
        assert httpx.put(link.parts[0].url, content=data[:PART]).is_success
        told: list[Progress] = []
        images.append(client.upload_to(link, data, on_progress=told.append))
    assert {(image.state, image.source_sha256) for image in images} == {("ready", hashlib.sha256(data).hexdigest())}
    assert told[0].sent == PART, "the part that is there is not sent again"
    assert product.metric("tintype_upload_bytes_total") == before


def test_what_is_not_there_or_not_as_announced_is_found_at_completion(product: Product) -> None:
    data = photo(931, PART + 2**20)
    reserved = reserve(product.client, data, method="multipart")
    first, second = reserved["parts"]
    assert complete(product, reserved).json()["code"] == "upload.bytes_missing"
    etag = httpx.put(first["url"], content=data[:PART]).headers["etag"]
    assert complete(product, reserved).json()["code"] == "upload.bytes_missing"
    again = product.client.post(f"{UPLOADS}/{reserved['id']}/parts", json={"numbers": [2]}).json()["parts"][0]
    other = httpx.put(again["url"], content=data[PART:]).headers["etag"]
    wrong = [{"number": 1, "etag": other}, {"number": 2, "etag": etag}]
    assert complete(product, reserved, parts=wrong).json()["code"] == "upload.parts_invalid"
    assert second["size"] == 2**20
    assert complete(product, reserved).status_code == 200
    put = reserve(product.client, data)
    assert complete(product, put).json()["code"] == "upload.bytes_missing"


def test_bytes_that_were_not_announced_are_refused_by_the_store_itself(product: Product) -> None:
    data = photo(932)
    fields = {"content_type": "image/jpeg", "sha256": hashlib.sha256(data).hexdigest()}
    for sent, more in ((data + b"!", {}), (data, {"content-type": "text/html"}), (data[:-1] + b"!", {})):
        reserved = reserve(product.client, data, **fields)
        headers = {**reserved["upload"]["headers"], **more}
        headers.pop("content-length")
        assert httpx.put(reserved["upload"]["url"], content=sent, headers=headers).status_code in {400, 403}
        assert complete(product, reserved).json()["code"] == "upload.bytes_missing"


def test_a_part_whose_checksum_lies_is_refused_by_the_store_and_may_be_sent_again(product: Product) -> None:
    data = photo(937, PART + 2**20)
    reserved = reserve(product.client, data, method="multipart")
    first, second = reserved["parts"]
    summed = {"content-md5": b64encode(hashlib.md5(data[:PART], usedforsecurity=False).digest()).decode()}
    assert httpx.put(first["url"], content=b"!" + data[1:PART], headers=summed).status_code in {400, 422}
    assert httpx.put(second["url"], content=data[PART:]).is_success
    assert complete(product, reserved).json()["code"] == "upload.bytes_missing"
    assert httpx.put(first["url"], content=data[:PART], headers=summed).is_success
    assert product.settled(complete(product, reserved).json())["state"] == "ready"


def test_an_upload_that_is_aborted_or_given_up_leaves_nothing_in_the_store(product: Product, bucket: Bucket) -> None:
    data = photo(933, PART + 2**20)
    aborted, over = (reserve(product.client, data, method="multipart") for _ in range(2))
    for reserved in (aborted, over):
        assert httpx.put(reserved["parts"][0]["url"], content=data[:PART]).is_success
    assert len(bucket.unfinished()) >= 2
    assert abort(product, aborted).status_code == 204
    product.query("UPDATE uploads SET expires_at = now() - interval '1 s' WHERE id = %s", number(over))
    sweep(product)
    assert eventually(lambda: look(product, over)["state"] == "expired", within=20)
    named = {f"{number(each):016x}" for each in (aborted, over)}
    assert eventually(lambda: not [key for key in bucket.unfinished() if any(name in key for name in named)])


def test_gc_aborts_what_the_store_keeps_open_for_nobody(product: Product, bucket: Bucket, s3_server: S3Server) -> None:
    reserved = reserve(product.client, photo(934, PART + 1), method="multipart")
    ((tenant,),) = product.query("SELECT id FROM tenants WHERE slug = 'default'")
    forgotten, foreign = (f"staging/{whose:x}/01/{1:016x}-object" for whose in (tenant, 0x7777))
    for key in (forgotten, foreign):
        bucket.s3.create_multipart_upload(Bucket=bucket.name, Key=key)
    time.sleep(1)  # the store tells whole seconds, and rounds them up
    environment = {**s3_server.environment, "TINTYPE_BLOBS_URL": bucket.url()}
    done = tintype("gc", "--grace", "0", "--data", str(product.data), environment=environment)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "unfinished_multipart" in done.stdout
    assert forgotten not in bucket.unfinished()
    assert foreign in bucket.unfinished()
    assert [key for key in bucket.unfinished() if f"{number(reserved):016x}" in key]
    assert abort(product, reserved).status_code == 204
