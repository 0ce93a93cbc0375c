"""Requests that are wrong around the file: the form, the fields, the ids, the credentials.

After every test here there are the same rows, files and open staging files as before it.
"""

from collections.abc import Iterator
from typing import Final

import httpx
import pytest

import samples
from product import Product
from raw_http import BOUNDARY, Answer, connect, form_end, form_type, part, upload_head
from refusals import assert_problem, leaves_nothing

IMAGES: Final = "/api/v1/images"
JPEG: Final = samples.jpeg(seed=60)
FILE: Final = part("file", JPEG, filename="a.jpg")


@pytest.fixture(scope="module")
def image_id(product: Product) -> str:
    """Give the id of an image that is there, private and settled."""
    return str(product.settled(product.upload(samples.jpeg(seed=61), visibility="private"))["id"])


@pytest.fixture(autouse=True)
def _nothing_left_behind(product: Product, image_id: str) -> Iterator[None]:
    assert image_id
    with leaves_nothing(product):
        yield


def send(product: Product, body: bytes, content_type: str = form_type()) -> Answer:
    with connect(product.base_url) as connection:
        connection.send(upload_head(len(body), content_type=content_type) + body)
        return connection.answer()


# The form

UNREADABLE: Final = {
    "no final boundary": FILE,
    "a file that does not end": FILE[:-2],
    "a part without a blank line": f"--{BOUNDARY}\r\nContent-Disposition: form-data; name=file\r\n".encode() + JPEG,
    "a part without Content-Disposition": f"--{BOUNDARY}\r\nX: y\r\n\r\n".encode() + JPEG + b"\r\n" + form_end(),
    "a header that is no header": f"--{BOUNDARY}\r\nnonsense\r\n\r\n".encode() + JPEG + b"\r\n" + form_end(),
    "a header of 20 kB": part("x" * 20_000, b"y") + FILE + form_end(),
    "another boundary": FILE.replace(BOUNDARY.encode(), b"another") + form_end("another"),
    "65 parts": b"".join(part("title", b"x") for _ in range(65)) + FILE + form_end(),
    "nothing": b"",
    "only line ends": b"\r\n" * 50,
}


@pytest.mark.parametrize("name", UNREADABLE)
def test_a_form_that_is_none_cannot_be_read(product: Product, name: str) -> None:
    assert_problem(send(product, UNREADABLE[name]), 400, "request.unreadable")


@pytest.mark.parametrize(
    "content_type", ["multipart/form-data", "multipart/form-data; boundary=", 'multipart/form-data; boundary=""']
)
def test_a_form_without_a_boundary_cannot_be_read(product: Product, content_type: str) -> None:
    assert_problem(send(product, FILE + form_end(), content_type), 400, "request.unreadable")


@pytest.mark.parametrize("filler", [b"nonsense", b"\r\n\r\n"])
def test_a_form_may_not_be_long_by_what_is_no_part_of_it(product: Product, filler: bytes) -> None:
    body = [FILE + form_end(), *[filler * 200_000] * 16]
    answer = product.stranger.post(IMAGES, content=iter(body), headers={"content-type": form_type()})
    assert_problem(answer, 413, "image.too_large")


def refused_fields(answer: httpx.Response | Answer) -> list[str]:
    problem = assert_problem(answer, 422, "request.invalid")
    return [error["field"] for error in problem["errors"]]


@pytest.mark.parametrize(
    ("body", "field"),
    [
        (part("title", b"Here") + form_end(), "file"),
        (form_end(), "file"),
        (FILE + FILE + form_end(), "file"),
        (FILE + part("title", b"x" * 1_000_000) + form_end(), "title"),
        (part("title", b"x" * 1_000_000) + FILE + form_end(), "title"),
        (FILE + part("photo", JPEG, filename="b.jpg") + form_end(), "photo"),
    ],
    ids=[
        "no file",
        "no part",
        "two files",
        "a field of 1 MB behind",
        "a field of 1 MB before",
        "a file of another name",
    ],
)
def test_a_form_with_the_wrong_parts_is_refused_by_the_part_s_name(product: Product, body: bytes, field: str) -> None:
    assert refused_fields(send(product, body)) == [field]


# The fields

BAD_FIELDS: Final = {
    "unknown": ({"colour": "red"}, ["colour"]),
    "two unknown": ({"colour": "red", "id": "1"}, ["colour", "id"]),
    "state": ({"state": "ready"}, ["state"]),
    "kind": ({"kind": "poster"}, ["kind"]),
    "visibility": ({"visibility": "secret"}, ["visibility"]),
    "followers, whom an image without an owner has not": ({"visibility": "followers"}, ["visibility"]),
    "is_public": ({"is_public": "maybe"}, ["is_public"]),
    "title": ({"title": "x" * 501}, ["title"]),
    "alt": ({"alt": "x" * 5_001}, ["alt"]),
    "NUL in a title": ({"title": "a\0b"}, ["title"]),
    "NUL in a tag": ({"tags": "a\0b"}, ["tags"]),
    "31 tags": ({"tags": ",".join(map(str, range(31)))}, ["tags"]),
    "a long tag": ({"tags": "x" * 51}, ["tags"]),
    "everything at once": ({"title": "x" * 501, "visibility": "?", "x": "y"}, ["x", "title", "visibility"]),
}


@pytest.mark.parametrize("name", BAD_FIELDS)
def test_each_bad_field_is_named_in_a_form_and_in_a_query(product: Product, name: str) -> None:
    fields, named = BAD_FIELDS[name]
    assert refused_fields(product.client.post(IMAGES, files={"file": ("a.jpg", JPEG)}, data=fields)) == named
    assert refused_fields(product.client.post(IMAGES, content=JPEG, params=fields)) == named


def test_a_field_that_is_given_twice_is_named(product: Product) -> None:
    body = part("title", b"one") + part("title", b"two") + FILE + form_end()
    assert refused_fields(send(product, body)) == ["title"]


@pytest.mark.parametrize("name", ["visibility", "is_public", "title", "kind"])
def test_a_field_that_is_in_the_form_and_in_its_query_is_given_twice(product: Product, name: str) -> None:
    value = {"visibility": "private", "is_public": "true", "title": "Here", "kind": "image"}[name]
    answer = product.client.post(IMAGES, files={"file": JPEG}, data={name: value}, params={name: value})
    assert refused_fields(answer) == [name]


@pytest.mark.parametrize("name", BAD_FIELDS)
def test_each_bad_field_in_the_query_of_a_form_is_named(product: Product, name: str) -> None:
    fields, named = BAD_FIELDS[name]
    assert refused_fields(product.client.post(IMAGES, files={"file": JPEG}, params=fields)) == named


def test_a_query_of_a_hundred_fields_cannot_be_read(product: Product) -> None:
    answer = product.client.post(IMAGES, content=JPEG, params=[("tags", "a")] * 101)
    assert_problem(answer, 400, "request.unreadable")


def test_json_that_is_none_is_refused_alike(product: Product) -> None:
    answer = product.client.post(IMAGES, content=b"{", headers={"content-type": "application/json"})
    assert answer.status_code in {400, 422}


# Who asks, and for what


@pytest.mark.parametrize(
    "credential", ["Bearer ttk_wrong", "Bearer", "Basic dXNlcjpwYXNz", "", "Bearer ttk_" + "0" * 33]
)
def test_a_credential_that_is_none_is_refused_rather_than_ignored(product: Product, credential: str) -> None:
    answer = product.stranger.post(IMAGES, content=JPEG, headers={"authorization": credential})
    assert_problem(answer, 401, "auth.required")
    assert answer.headers["www-authenticate"] == "Bearer"


def test_a_key_with_another_secret_is_refused(product: Product) -> None:
    key = product.api_key[:-1] + ("A" if product.api_key[-1] != "A" else "B")
    answer = product.stranger.post(IMAGES, content=JPEG, headers={"authorization": f"Bearer {key}"})
    assert_problem(answer, 401, "auth.required")


def bad_ids(image_id: str) -> list[str]:
    flipped = image_id[:-1] + ("A" if image_id[-1] != "A" else "B")
    another = image_id[:6] + ("A" if image_id[6] != "A" else "B") + image_id[7:]
    return [
        *(
            flipped,
            another,
            "pst_" + image_id[4:],
            image_id[:-1],
            image_id + "0",
            image_id[:-1] + "-",
            image_id.upper(),
        ),
        *(
            "img_" + "z" * 22,
            "img_" + "0" * 22,
            "img_",
            "1",
            "original",
            "%00",
            "%E2%9C%82" * 22,
            "img_" + "%C3%A9" * 22,
        ),
    ]


def test_an_id_that_names_no_image_is_not_found_wherever_it_stands(product: Product, image_id: str) -> None:
    for bad in bad_ids(image_id):
        for path in (f"{IMAGES}/{bad}", f"{IMAGES}/{bad}/variants", f"{IMAGES}/{bad}?size=thumb", f"/p/{bad}"):
            assert_problem(product.client.get(path), 404, "not_found")
        assert_problem(product.client.delete(f"{IMAGES}/{bad}"), 404, "not_found")
        for name in ("original.jpg", "thumb", "thumb.webp?v=1"):
            assert_problem(product.client.get(f"/i/{bad}/{name}"), 404, "not_found")


@pytest.mark.parametrize(
    "path", ["/i/", "/i/x", "/i/../../etc/passwd", "/i/%2e%2e/%2e%2e/secret.key", "/nothing", "/api/v1/"]
)
def test_an_address_that_is_none_is_not_found(product: Product, path: str) -> None:
    assert_problem(product.client.get(path), 404, "not_found")


def test_a_method_that_is_not_answered_is_named(product: Product, image_id: str) -> None:
    for method, path in {"PUT": IMAGES, "POST": f"{IMAGES}/{image_id}", "DELETE": f"/i/{image_id}/thumb"}.items():
        problem = assert_problem(product.client.request(method, path), 405, "method_not_allowed")
        assert method in problem["detail"] or path.startswith("/i/")


def test_a_size_that_an_image_has_not_is_unreadable(product: Product, image_id: str) -> None:
    for size in ("huge", "", "../original", "x" * 1_000):
        assert_problem(product.client.get(f"{IMAGES}/{image_id}", params={"size": size}), 400, "request.unreadable")
