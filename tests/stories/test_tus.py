"""Resumable uploads: tus 1.0.0 as its specification has it, over two API processes."""

import base64
import hashlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Final
from urllib.parse import urlsplit

import httpx
import pytest

from postgres import passable_directory
from product import Product, eventually, start_product
from raw_http import connect
from refusals import assert_problem, open_staging_files
from resumable import (
    BYTES,
    TUS,
    VERSION,
    begin,
    begin_patch,
    committed,
    metadata,
    offset_of,
    photo,
    send,
    send_and_break_off,
    stored_png,
)

JPEG: Final = photo(400, 400, seed=501)
CUT: Final = 65_536


@pytest.fixture(scope="module")
def product() -> Iterator[Product]:
    """Give a product of two API processes: nothing of an upload may be known to one of them alone."""
    with passable_directory() as directory, start_product(directory / "data", "--api-processes", "2") as running:
        yield running


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


@contextmanager
def tenant_of_its_own(product: Product, slug: str, **fields: object) -> Iterator[tuple[str, httpx.Client]]:
    """Give the id of a tenant that was just made, and a client with its key."""
    answer = product.client.post("/api/v1/tenants", json={"slug": slug, **fields})
    assert answer.status_code == 201, answer.text
    headers = {"authorization": f"Bearer {answer.json()['api_key']['secret']}"}
    with httpx.Client(base_url=product.base_url, headers=headers, timeout=30) as client:
        yield answer.json()["id"], client


def staged(product: Product) -> int:
    return sum("staging" in name for name in product.files("blobs"))


# The life of an upload


def test_options_say_what_is_spoken(product: Product) -> None:
    answer = product.stranger.options(TUS)
    assert answer.status_code == 204
    assert answer.headers["tus-version"] == answer.headers["tus-resumable"] == "1.0.0"
    assert answer.headers["tus-max-size"] == "10000000"
    assert set(answer.headers["tus-extension"].split(",")) == {
        *("creation", "creation-with-upload", "creation-defer-length", "checksum"),
        *("expiration", "termination", "concatenation"),
    }
    assert answer.headers["tus-checksum-algorithm"] == "sha256,sha1,md5"


def test_an_upload_comes_in_pieces_and_its_last_byte_makes_it_an_image(product: Product) -> None:
    path = begin(product.client, len(JPEG), filename="a.jpg", filetype="image/jpeg", title="Über", relativePath="null")
    first = send(product.client, path, 0, JPEG[:1000])
    assert (first.status_code, first.headers["upload-offset"]) == (204, "1000")
    assert "tintype-image" not in first.headers
    assert first.headers["upload-expires"].endswith("GMT")
    look = product.client.head(path, headers=VERSION)
    assert (look.headers["upload-offset"], look.headers["upload-length"]) == ("1000", str(len(JPEG)))
    assert look.headers["upload-metadata"].startswith("filename YS5qcGc=,")
    assert look.headers["cache-control"] == "no-store"
    last = send(product.client, path, 1000, JPEG[1000:])
    image_id = last.headers["tintype-image"]
    assert product.client.head(path, headers=VERSION).headers["tintype-image"] == image_id
    image = committed(product, image_id)
    assert (image["state"], image["title"], image["source_sha256"]) == ("ready", "Über", sha256(JPEG))
    assert offset_of(product.client, path) == len(JPEG)
    assert eventually(lambda: staged(product) == 0)


def test_the_first_bytes_may_come_with_the_creation(product: Product) -> None:
    data = photo(200, 200, seed=502)
    answer = product.client.post(TUS, content=data, headers={**BYTES, "upload-length": str(len(data))})
    assert (answer.status_code, answer.headers["upload-offset"]) == (201, str(len(data)))
    assert committed(product, answer.headers["tintype-image"])["source_sha256"] == sha256(data)


def test_the_length_may_be_said_later(product: Product) -> None:
    data = photo(200, 200, seed=503)
    path = begin(product.client, None)
    assert send(product.client, path, 0, data[:700]).status_code == 204
    look = product.client.head(path, headers=VERSION)
    assert look.headers["upload-defer-length"] == "1"
    assert "upload-length" not in look.headers
    assert send(product.client, path, 700, data[700:]).status_code == 204
    last = send(product.client, path, len(data), b"", {"upload-length": str(len(data))})
    assert committed(product, last.headers["tintype-image"])["source_sha256"] == sha256(data)


def test_an_upload_of_more_than_a_segment_keeps_every_byte(product: Product) -> None:
    data = stored_png(1700, 1700, seed=504)
    path = begin(product.client, len(data))
    answer = send(product.client, path, 0, data)
    image = committed(product, answer.headers["tintype-image"])
    assert (image["source_sha256"], image["bytes"] > 8 * 1024 * 1024) == (sha256(data), True)


def test_one_asked_for_by_json_goes_on_by_tus(product: Product) -> None:
    data = photo(200, 200, seed=505)
    made = product.client.post("/api/v1/uploads", json={"method": "tus", "size": len(data)}).json()
    answer = send(product.stranger, urlsplit(made["upload"]["url"]).path, 0, data)
    assert answer.headers["tintype-image"] == made["image_id"]
    assert committed(product, made["image_id"])["state"] == "ready"


def test_a_stranger_has_the_token_that_deletes_what_came_of_the_upload(product: Product) -> None:
    data = photo(120, 120, seed=506)
    made = product.stranger.post(TUS, content=data, headers={**BYTES, "upload-length": str(len(data))}).json()
    committed(product, made["image_id"])
    address, token = f"/api/v1/images/{made['image_id']}", made["write_token"]
    assert product.stranger.delete(address).status_code == 401
    assert product.stranger.delete(address, headers={"upload-token": token}).status_code == 204


def test_a_creation_that_is_sent_again_with_its_key_makes_nothing_new(product: Product) -> None:
    headers = {**BYTES, "upload-length": str(len(JPEG)), "idempotency-key": "once"}
    first, second = (product.client.post(TUS, content=JPEG[:3000], headers=headers) for _ in range(2))
    assert (first.status_code, second.status_code) == (201, 201)
    assert second.headers["location"] == first.headers["location"]
    assert (second.headers["upload-offset"], second.headers["idempotent-replayed"]) == ("3000", "true")
    other = product.client.post(TUS, headers={**headers, "upload-length": "9", "content-length": "0"})
    assert_problem(other, 409, "idempotency.mismatch")
    product.client.delete(urlsplit(first.headers["location"]).path, headers=VERSION)


def test_a_post_may_stand_for_the_other_methods(product: Product) -> None:
    path = begin(product.client, len(JPEG))
    over = {**BYTES, "upload-offset": "0", "x-http-method-override": "PATCH"}
    assert product.client.post(path, content=JPEG[:10], headers=over).status_code == 204
    look = product.client.post(path, headers={**VERSION, "x-http-method-override": "HEAD"})
    assert (look.status_code, look.headers["upload-offset"]) == (200, "10")
    assert product.client.post(path, headers={**VERSION, "x-http-method-override": "DELETE"}).status_code == 204
    assert_problem(product.client.get(path, headers=VERSION), 410, "upload.aborted")


def test_what_is_given_up_is_gone_and_nothing_is_counted_for_it(product: Product) -> None:
    before = product.client.get("/api/v1/usage").json()
    path = begin(product.client, len(JPEG))
    send(product.client, path, 0, JPEG[:5000])
    assert product.client.get("/api/v1/usage").json()["images"] == before["images"] + 1
    assert product.client.delete(path, headers=VERSION).status_code == 204
    after = product.client.get("/api/v1/usage").json()
    assert (after["images"], after["bytes"]) == (before["images"], before["bytes"])
    assert send(product.client, path, 5000, JPEG[5000:]).status_code == 410
    assert eventually(lambda: staged(product) == 0)


def test_an_upload_ends_when_its_time_is_over(product: Product) -> None:
    path = begin(product.client, len(JPEG))
    product.query("UPDATE uploads SET expires_at = now() WHERE state = 'requested'")
    assert_problem(send(product.client, path, 0, JPEG), 410, "upload.expired")


# Checksums


@pytest.mark.parametrize("algorithm", ["sha256", "sha1", "md5"])
def test_bytes_with_a_checksum_count_all_or_not_at_all(product: Product, algorithm: str) -> None:
    path = begin(product.client, len(JPEG))
    digest = base64.b64encode(hashlib.new(algorithm, JPEG[:2000]).digest()).decode()
    checked = {"upload-checksum": f"{algorithm} {digest}"}
    refused = send(product.client, path, 0, JPEG[1:2001], checked)
    assert refused.headers["tus-resumable"] == "1.0.0"
    assert_problem(refused, 460, "upload.checksum_mismatch")
    assert offset_of(product.client, path) == 0
    assert send(product.client, path, 0, JPEG[:2000], checked).headers["upload-offset"] == "2000"
    product.client.delete(path, headers=VERSION)


def test_a_body_with_a_checksum_that_breaks_off_counts_for_nothing(product: Product) -> None:
    path = begin(product.client, len(JPEG))
    with connect(product.base_url) as connection:
        head = (
            f"PATCH {path} HTTP/1.1\r\nHost: x\r\nTus-Resumable: 1.0.0\r\nUpload-Offset: 0\r\n"
            "Content-Type: application/offset+octet-stream\r\nContent-Length: 9000\r\n"
            f"Upload-Checksum: sha1 {base64.b64encode(bytes(20)).decode()}\r\n\r\n"
        )
        connection.send(head.encode() + JPEG[:5000])
    assert offset_of(product.client, path) == 0
    product.client.delete(path, headers=VERSION)


# Refusals


def test_other_versions_are_told_which_one_is_spoken(product: Product) -> None:
    answer = product.client.post(TUS, headers={"tus-resumable": "0.2.2", "upload-length": "5"})
    assert_problem(answer, 412, "tus.version_unsupported")
    assert answer.headers["tus-version"] == "1.0.0"


@pytest.mark.parametrize(
    ("headers", "status", "code"),
    [
        ({}, 400, "request.unreadable"),
        ({"upload-length": "0"}, 422, "upload.empty"),
        ({"upload-length": "10000001"}, 413, "image.too_large"),
        ({"upload-length": "5", **metadata(kind="nonsense")}, 422, "request.invalid"),
        ({"upload-length": "5", **metadata(filename="../a")}, 422, "request.invalid"),
        ({"upload-length": "5", **metadata(filetype="application/pdf")}, 415, "image.unsupported_format"),
        ({"upload-length": "6000000", **metadata(kind="avatar")}, 413, "image.too_large"),
        ({"upload-concat": f"final;{TUS}/upl_nothing"}, 404, "not_found"),
    ],
)
def test_what_no_door_lets_in_tus_does_not_either(
    product: Product, headers: dict[str, str], status: int, code: str
) -> None:
    assert_problem(product.client.post(TUS, headers={**VERSION, **headers}), status, code)


def test_a_key_without_the_scope_begins_nothing(product: Product) -> None:
    key = product.client.post("/api/v1/keys", json={"name": "reader", "scopes": ["images:read"]}).json()["secret"]
    answer = product.stranger.post(TUS, headers={**VERSION, "upload-length": "5", "authorization": f"Bearer {key}"})
    assert_problem(answer, 403, "auth.forbidden")


def test_bytes_that_do_not_fit_are_refused(product: Product) -> None:
    path = begin(product.client, 5000)
    assert_problem(send(product.client, path, 7, JPEG[7:100]), 409, "upload.offset_conflict")
    assert_problem(send(product.client, path, 0, JPEG[:5001]), 413, "request.too_large")
    wrong = product.client.patch(path, content=b"x", headers={**VERSION, "upload-offset": "0"})
    assert_problem(wrong, 415, "request.media_type")
    assert_problem(send(product.client, path, 0, b"", {"upload-length": "5001"}), 400, "request.unreadable")
    assert offset_of(product.client, path) == 0
    product.client.delete(path, headers=VERSION)


def test_a_chunked_body_ends_where_the_upload_was_said_to(product: Product) -> None:
    path = begin(product.client, 5000)
    answer = product.client.patch(
        path, content=iter([JPEG[:4000], JPEG[4000:9000]]), headers={**BYTES, "upload-offset": "0"}
    )
    assert_problem(answer, 413, "request.too_large")
    assert "tintype-image" not in product.client.head(path, headers=VERSION).headers
    product.client.delete(path, headers=VERSION)


def test_what_is_no_image_is_refused_by_its_first_bytes(product: Product) -> None:
    path = begin(product.client, 5000)
    assert_problem(send(product.client, path, 0, b"%PDF-1.7" * 100), 415, "image.unsupported_format")
    assert_problem(product.client.get(path, headers=VERSION), 410, "upload.aborted")


def test_an_address_that_was_not_given_is_nobodys(product: Product) -> None:
    path = begin(product.client, 5000)
    for wrong in (path[:-1] + ("a" if path[-1] != "a" else "b"), path[:-22], f"{TUS}/x"):
        assert_problem(product.client.get(wrong, headers=VERSION), 404, "not_found")
        assert_problem(send(product.client, wrong, 0, b"x"), 404, "not_found")
    assert path.rpartition("/")[2] not in product.log.read_text()
    product.client.delete(path, headers=VERSION)


def test_a_quota_holds_when_a_length_gets_known_and_when_bytes_come_before(product: Product) -> None:
    with tenant_of_its_own(product, "narrow") as (tenant_id, client):
        quota = {"max_bytes": 20_000}
        product.client.put("/api/v1/quota", params={"tenant": tenant_id}, json=quota).raise_for_status()
        path = begin(client, None)
        assert send(client, path, 0, JPEG[:15_000]).status_code == 204
        assert_problem(send(client, path, 15_000, b"", {"upload-length": "30000"}), 403, "quota.exceeded")
        assert_problem(send(client, path, 15_000, JPEG[15_000:30_000]), 403, "quota.exceeded")
        assert offset_of(client, path) == 15_000
        refused = client.post(TUS, headers={**VERSION, "upload-length": "9000"})
        assert_problem(refused, 403, "quota.exceeded")
        client.delete(path, headers=VERSION)
        begin(client, 20_000)


# Parts that become one


def test_parts_are_made_one_and_asked_again_it_is_the_same(product: Product) -> None:
    data = photo(300, 300, seed=507)
    halves = [data[:30_000], data[30_000:]]
    paths = [begin(product.client, len(half), {"upload-concat": "partial"}) for half in halves]
    unfinished = {**VERSION, "upload-concat": "final;" + " ".join(paths), **metadata(title="Whole")}
    assert_problem(product.client.post(TUS, headers=unfinished), 409, "upload.bytes_missing")
    with ThreadPoolExecutor(2) as pool:
        answers = list(
            pool.map(lambda pair: send(product.client, pair[0], 0, pair[1]), zip(paths, halves, strict=True))
        )
    assert [answer.status_code for answer in answers] == [204, 204]
    assert "tintype-image" not in answers[0].headers
    assert product.client.head(paths[0], headers=VERSION).headers["upload-concat"] == "partial"
    before = product.client.get("/api/v1/usage").json()
    made = product.client.post(TUS, headers=unfinished)
    assert made.status_code == 201, made.text
    after = product.client.get("/api/v1/usage").json()
    assert (before["images"] - after["images"], after["bytes"] <= before["bytes"]) == (1, True)
    again = product.client.post(TUS, headers=unfinished)
    assert (again.status_code, again.headers["location"]) == (201, made.headers["location"])
    assert_problem(product.stranger.post(TUS, headers=unfinished), 404, "not_found")
    image = committed(product, made.headers["tintype-image"])
    assert (image["title"], image["source_sha256"]) == ("Whole", sha256(data))
    path = urlsplit(made.headers["location"]).path
    look = product.client.head(path, headers=VERSION)
    assert (look.headers["upload-concat"], look.headers["upload-length"]) == (
        unfinished["upload-concat"],
        str(len(data)),
    )
    assert_problem(send(product.client, path, len(data), b"x"), 403, "auth.forbidden")
    assert eventually(lambda: staged(product) == 0)


# Lines that break


def test_an_upload_that_breaks_every_64_kilobytes_is_the_same_file_in_the_end(product: Product) -> None:
    data = photo(1300, 1100, seed=508)
    path, at, breaks = begin(product.client, len(data)), 0, 0
    while at + CUT < len(data):
        send_and_break_off(product, path, at, len(data) - at, data[at : at + CUT])
        assert offset_of(product.client, path) <= at + CUT
        assert eventually(lambda: offset_of(product.client, path) == at + CUT)  # noqa: B023 -- asked at once
        at, breaks = at + CUT, breaks + 1
    answer = send(product.client, path, at, data[at:])
    assert breaks >= 10
    assert committed(product, answer.headers["tintype-image"])["source_sha256"] == sha256(data)
    assert eventually(lambda: open_staging_files(product) == 0)


def test_a_connection_that_looks_alive_keeps_nobody_from_going_on(product: Product) -> None:
    data = photo(300, 300, seed=509)
    path, at = begin(product.client, len(data)), 0
    with connect(product.base_url) as first, connect(product.base_url) as second, connect(product.base_url) as third:
        for stuck in (first, second, third):  # two of them, at least, lie in different processes from some newcomer
            begin_patch(stuck, path, at, len(data) - at, data[at : at + 10_000])
            assert eventually(lambda: offset_of(product.client, path) == at + 10_000)  # noqa: B023 -- asked at once
            at += 10_000
        answer = send(product.client, path, at, data[at:])
        assert answer.status_code == 204
        for stuck in (first, second, third):
            assert_problem(stuck.answer(), 409, "upload.offset_conflict")
    assert committed(product, answer.headers["tintype-image"])["source_sha256"] == sha256(data)


def test_of_those_who_send_at_once_one_wins(product: Product) -> None:
    data = photo(300, 300, seed=510)
    for _ in range(2):
        path = begin(product.client, len(data))

        def race(_: int, path: str = path) -> httpx.Response:
            with httpx.Client(base_url=product.base_url, timeout=30) as client:
                return send(client, path, 0, data)

        with ThreadPoolExecutor(4) as pool:
            answers = list(pool.map(race, range(4)))
        assert sorted(answer.status_code for answer in answers) == [204, 409, 409, 409]
        image = next(answer.headers["tintype-image"] for answer in answers if answer.status_code == 204)
        assert committed(product, image)["source_sha256"] == sha256(data)


def test_a_live_sender_is_not_disturbed_by_who_asks_or_comes_late(product: Product) -> None:
    data = photo(300, 300, seed=511)
    path = begin(product.client, len(data))
    with connect(product.base_url) as sender:
        begin_patch(sender, path, 0, len(data), data[:9_000])
        assert eventually(lambda: offset_of(product.client, path) == 9_000)
        assert_problem(send(product.client, path, 0, data), 409, "upload.offset_conflict")
        sender.send(data[9_000:])
        answer = sender.answer()
    assert (answer.status, answer.headers["upload-offset"]) == (204, str(len(data)))


# Pages of other sites


def test_a_page_of_a_listed_site_may_send_and_read_what_tus_needs(product: Product) -> None:
    origin, host = "https://app.example.org", "tus.example.org"
    with tenant_of_its_own(product, "sites", hostnames=[host], origins=[origin]):
        asking = {"host": host, "origin": origin, "access-control-request-method": "PATCH"}
        preflight = product.stranger.options(f"{TUS}/upl_x", headers=asking)
        assert preflight.status_code == 204
        allowed = preflight.headers["access-control-allow-headers"].lower()
        for name in ("tus-resumable", "upload-offset", "upload-length", "upload-metadata", "upload-concat"):
            assert name in allowed
        answer = product.stranger.post(TUS, headers={"host": host, "origin": origin, "upload-length": "5"})
        exposed = answer.headers["access-control-expose-headers"].lower()
        assert answer.status_code == 412
        for name in ("location", "upload-offset", "upload-expires", "tus-version", "tus-resumable", "tintype-image"):
            assert name in exposed
