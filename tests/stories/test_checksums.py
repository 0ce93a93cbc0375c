"""Checksums that come with an upload: right ones change nothing, and with a wrong one nothing is kept."""

import base64
import hashlib
from typing import Final

import httpx
import pytest

import samples
from product import Product
from raw_http import form_end, form_type, part
from refusals import assert_problem, leaves_nothing

IMAGES: Final = "/api/v1/images"
JPEG: Final = samples.jpeg(seed=300)
FORM: Final = part("title", b"Here") + part("file", JPEG, filename="a.jpg") + form_end()
MISMATCH: Final = "upload.checksum_mismatch"


def encoded(digest: bytes) -> str:
    return base64.b64encode(digest).decode()


def headers_for(data: bytes) -> dict[str, dict[str, str]]:
    """Return every way to say in a header what the checksum of `data` is."""
    sha256, sha512 = (encoded(hashlib.new(name, data).digest()) for name in ("sha256", "sha512"))
    return {
        "Content-Digest of SHA-256": {"content-digest": f"sha-256=:{sha256}:"},
        "Content-Digest of SHA-512": {"content-digest": f"sha-512=:{sha512}:"},
        "both, with one that nobody checks": {
            "content-digest": f"sha-512=:{sha512}:, crc32c=:AAAAAA==:, sha-256=:{sha256}:"
        },
        "Repr-Digest": {"repr-digest": f"sha-256=:{sha256}:"},
        "Content-MD5": {"content-md5": encoded(hashlib.md5(data, usedforsecurity=False).digest())},
    }


WAYS: Final = list(headers_for(b""))


def assert_taken(product: Product, answer: httpx.Response) -> None:
    """Assert that it was taken in, and wait for its job: it would be held against the next test."""
    assert answer.status_code == 201, answer.text
    assert answer.json()["source_sha256"] == hashlib.sha256(JPEG).hexdigest()
    product.settled(answer.json())


def post_raw(product: Product, headers: dict[str, str], **params: str) -> httpx.Response:
    return product.client.post(IMAGES, content=JPEG, headers=headers, params=params)


@pytest.mark.parametrize("way", WAYS)
def test_a_body_with_its_own_checksum_is_taken(product: Product, way: str) -> None:
    assert_taken(product, post_raw(product, headers_for(JPEG)[way]))


@pytest.mark.parametrize("way", WAYS)
def test_a_body_with_another_checksum_is_refused_and_nothing_is_kept(product: Product, way: str) -> None:
    other = JPEG[:-1] + b"\0"
    with leaves_nothing(product):
        problem = assert_problem(post_raw(product, headers_for(other)[way]), 422, MISMATCH)
    assert next(iter(headers_for(other)[way])) in problem["detail"].lower()


def test_one_wrong_checksum_among_right_ones_is_enough(product: Product) -> None:
    right, wrong = headers_for(JPEG), headers_for(b"other bytes")
    with leaves_nothing(product):
        both = {**right["Content-Digest of SHA-256"], **wrong["Repr-Digest"]}
        assert_problem(post_raw(product, both), 422, MISMATCH)
        list_of_two = [("content-digest", right["Content-Digest of SHA-256"]["content-digest"])]
        list_of_two += [("content-digest", wrong["Content-Digest of SHA-512"]["content-digest"])]
        assert_problem(product.client.post(IMAGES, content=JPEG, headers=list_of_two), 422, MISMATCH)


@pytest.mark.parametrize("way", WAYS)
def test_a_digest_in_the_header_of_a_form_is_that_of_the_whole_form(product: Product, way: str) -> None:
    headers = {"content-type": form_type(), **headers_for(FORM)[way]}
    assert_taken(product, product.client.post(IMAGES, content=FORM, headers=headers))
    with leaves_nothing(product):
        headers |= headers_for(JPEG)[way]
        assert_problem(product.client.post(IMAGES, content=FORM, headers=headers), 422, MISMATCH)


def test_the_field_sha256_is_the_checksum_of_the_file_in_a_form_and_of_a_raw_body(product: Product) -> None:
    right, wrong = hashlib.sha256(JPEG).hexdigest(), hashlib.sha256(b"other bytes").hexdigest()
    for spelling in (right, right.upper()):
        assert_taken(product, product.client.post(IMAGES, files={"file": JPEG}, data={"sha256": spelling}))
        assert_taken(product, post_raw(product, {}, sha256=spelling))
    with leaves_nothing(product):
        assert_problem(post_raw(product, {}, sha256=wrong), 422, MISMATCH)
        answer = product.stranger.post(IMAGES, files={"file": JPEG}, data={"sha256": wrong})
        assert_problem(answer, 422, MISMATCH)


def test_a_wrong_checksum_is_told_before_what_is_wrong_with_the_picture(product: Product) -> None:
    damaged = JPEG[: len(JPEG) // 2]
    right = headers_for(JPEG)["Content-Digest of SHA-256"]
    assert_problem(product.client.post(IMAGES, content=damaged, headers=right), 422, MISMATCH)
    same = headers_for(damaged)["Content-Digest of SHA-256"]
    assert_problem(product.client.post(IMAGES, content=damaged, headers=same), 422, "image.malformed")


@pytest.mark.parametrize(
    "headers",
    [
        {"content-digest": "sha-256=abc"},
        {"content-digest": "sha-256=:abc:"},
        {"repr-digest": ","},
        {"content-md5": "d41d8cd98f00b204e9800998ecf8427e"},
        {"content-md5": ""},
    ],
    ids=str,
)
def test_a_checksum_that_is_none_is_unreadable(product: Product, headers: dict[str, str]) -> None:
    with leaves_nothing(product):
        problem = assert_problem(post_raw(product, headers), 400, "request.unreadable")
    assert next(iter(headers)) in problem["detail"].lower()


def test_algorithms_that_nobody_checks_are_passed_over(product: Product) -> None:
    assert_taken(product, post_raw(product, {"content-digest": "crc32c=:AAAAAA==:, md5=:AAAA:"}))


@pytest.mark.parametrize("value", ["", "abc", "0" * 63])
def test_a_field_sha256_that_is_none_is_named(product: Product, value: str) -> None:
    with leaves_nothing(product):
        problem = assert_problem(post_raw(product, {}, sha256=value), 422, "request.invalid")
    assert [error["field"] for error in problem["errors"]] == ["sha256"]
