"""The list of one's images: newest first, in pages that neither repeat nor leave out, with filters."""

import hashlib
from collections.abc import Iterator
from typing import Any, Final

import pytest

import samples
from product import Product, own_product
from refusals import assert_problem
from tenants import another_tenant

IMAGES: Final = "/api/v1/images"


@pytest.fixture(scope="module")
def product() -> Iterator[Product]:
    with own_product() as running:
        yield running


@pytest.fixture(scope="module")
def images(product: Product) -> list[dict[str, Any]]:
    """Give seven images, newest first; they differ in everything that a filter asks for."""
    said: list[dict[str, Any]] = [
        {"title": "Harbour at dawn", "tags": "Lisbon,sea", "attach_to": "order:1"},
        {"title": "Tram 28", "alt": "A yellow tram in Lisbon", "attach_to": "order:1"},
        {"kind": "post", "title": "Me"},
        {"title": "Übermut", "attach_to": "order:2"},
        {"visibility": "private", "tags": "secret"},
        {"kind": "post"},
        {"title": "100 % wool, x'y \\ z"},
    ]
    uploaded = [product.upload(samples.jpeg(seed=740 + each), **fields) for each, fields in enumerate(said)]
    return [product.settled(image) for image in reversed(uploaded)]


def ids(images: list[dict[str, Any]]) -> list[str]:
    return [image["id"] for image in images]


def listed(product: Product, **query: str) -> list[str]:
    answer = product.client.get(IMAGES, params=query)
    assert answer.status_code == 200, answer.text
    return ids(answer.json()["items"])


def test_the_list_is_the_images_newest_first(product: Product, images: list[dict[str, Any]]) -> None:
    answer = product.client.get(IMAGES)
    assert answer.json() == {"items": images, "next": None}
    assert answer.headers["cache-control"] == "no-store"


def test_pages_are_the_whole_list_without_repeats(product: Product, images: list[dict[str, Any]]) -> None:
    for size in (1, 2, 3, 7):
        found: list[str] = []
        cursor: dict[str, str] | None = {}
        while cursor is not None:
            page = product.client.get(IMAGES, params={"limit": size, **cursor}).json()
            assert 1 <= len(page["items"]) <= size
            found += ids(page["items"])
            cursor = {"cursor": page["next"]} if page["next"] else None
        assert found == ids(images)


def test_what_is_uploaded_or_deleted_meanwhile_moves_no_page(product: Product, images: list[dict[str, Any]]) -> None:
    first = product.client.get(IMAGES, params={"limit": 3}).json()
    new = product.upload(samples.jpeg(seed=760))
    product.client.delete(f"{IMAGES}/{images[2]['id']}")
    rest = listed(product, cursor=first["next"], limit="100")
    product.client.delete(f"{IMAGES}/{new['id']}?purge=true")
    product.client.post(f"{IMAGES}/{images[2]['id']}/restore")
    assert rest == ids(images)[3:]


def test_filters_by_kind_and_attachment_and_source(product: Product, images: list[dict[str, Any]]) -> None:
    assert listed(product, kind="post") == [images[1]["id"], images[4]["id"]]
    assert listed(product, attached_to="order:1") == [images[5]["id"], images[6]["id"]]
    assert listed(product, attached_to="order:1", limit="1") == [images[5]["id"]]
    assert listed(product, kind="post", attached_to="order:1") == []
    source = hashlib.sha256(samples.jpeg(seed=743)).hexdigest()
    assert listed(product, source_sha256=source) == [images[3]["id"]]
    assert listed(product, source_sha256="0" * 64) == []
    assert listed(product, kind="nobody's") == []


def test_words_are_found_in_title_alt_and_tags(product: Product, images: list[dict[str, Any]]) -> None:
    assert listed(product, q="lisbon") == [images[5]["id"], images[6]["id"]]
    assert listed(product, q="LISBON tram") == [images[5]["id"]]
    assert listed(product, q="harb") == [images[6]["id"]]
    assert listed(product, q="harb dawn") == []
    assert listed(product, q="übermut") == [images[3]["id"]]
    assert listed(product, q="lisbon", attached_to="order:2") == []
    assert listed(product, q="me", kind="post") == [images[4]["id"]]
    assert listed(product, q="lisbon", limit="1") == [images[5]["id"]]


ODD_WORDS: Final = ("", " ", "&", "'", "\\", "!", ":*", "a & | b", "<->", "%", "100 % wool, x'y \\ z", "(((")


@pytest.mark.parametrize("words", ODD_WORDS)
def test_no_word_breaks_the_search(product: Product, images: list[dict[str, Any]], words: str) -> None:
    found = listed(product, q=words)
    assert found == ([images[0]["id"]] if "wool" in words else [])


def test_a_word_that_changes_is_found_anew(product: Product, images: list[dict[str, Any]]) -> None:
    path = f"{IMAGES}/{images[1]['id']}"
    product.client.patch(path, json={"title": "Quokka"})
    assert listed(product, q="quokka") == [images[1]["id"]]
    product.client.patch(path, json={"title": None})
    assert listed(product, q="quokka") == []


def test_trash_is_listed_by_its_state_alone(product: Product, images: list[dict[str, Any]]) -> None:
    image = images[6]
    product.client.delete(f"{IMAGES}/{image['id']}")
    try:
        assert image["id"] not in listed(product)
        assert image["id"] not in listed(product, q="harbour")
        assert image["id"] not in listed(product, attached_to="order:1")
        assert listed(product, state="trashed") == [image["id"]]
        assert listed(product, state="trashed", q="harbour") == [image["id"]]
    finally:
        product.client.post(f"{IMAGES}/{image['id']}/restore")
    assert listed(product, state="trashed") == []
    assert len(listed(product, state="ready")) == len(images)


def test_purged_images_are_in_no_list(product: Product) -> None:
    data = samples.jpeg(seed=761)
    image = product.upload(data, title="Purgeable", attach_to="gone:1", kind="post")
    product.client.delete(f"{IMAGES}/{image['id']}?purge=true")
    source = hashlib.sha256(data).hexdigest()
    for query in ({"q": "purgeable"}, {"attached_to": "gone:1"}, {"kind": "post"}, {"source_sha256": source}, {}):
        assert image["id"] not in listed(product, **query)


def test_an_expired_image_is_in_no_list(product: Product) -> None:
    image = product.upload(samples.jpeg(seed=762), title="Ephemeral")
    assert listed(product, q="ephemeral") == [image["id"]]
    product.query("UPDATE images SET expires_at = now() WHERE title = 'Ephemeral'")
    assert (listed(product, q="ephemeral"), image["id"] in listed(product)) == ([], False)
    product.client.delete(f"{IMAGES}/{image['id']}?purge=true")


def test_each_tenant_lists_its_own(product: Product, images: list[dict[str, Any]]) -> None:
    with another_tenant(product) as theirs:
        for query in ({}, {"q": "lisbon"}, {"kind": "image"}, {"attached_to": "order:1"}, {"state": "ready"}):
            assert theirs.get(IMAGES, params=query).json() == {"items": [], "next": None}
        cursor = product.client.get(IMAGES, params={"limit": 1}).json()["next"]
        assert theirs.get(IMAGES, params={"cursor": cursor}).json()["items"] == []
    assert len(images) == len(listed(product))


def test_a_list_needs_a_key(product: Product) -> None:
    assert_problem(product.stranger.get(IMAGES), 401, "auth.required")


BAD: Final[list[dict[str, str]]] = [
    *({"limit": limit} for limit in ("0", "101", "-1", "many", "1.5", "")),
    *({"cursor": cursor} for cursor in ("", "x", "zzzzzzzzzzz", "0" * 12, "-0000000001", "é" * 11, "A" * 11 + " ")),
    {"state": "purged"},
    {"state": "new"},
    {"source_sha256": "abc"},
    {"attached_to": "order"},
    {"attached_to": ":1"},
    {"q": "x" * 201},
    {"q": "a\0b"},
    {"kind": "a\0b"},
]


@pytest.mark.parametrize("query", BAD, ids=str)
def test_a_bad_question_cannot_be_read(product: Product, query: dict[str, str]) -> None:
    assert_problem(product.client.get(IMAGES, params=query), 400, "request.unreadable")
