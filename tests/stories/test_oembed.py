"""oEmbed 1.0 by its specification, word by word."""

import io
import xml.etree.ElementTree as ET
from typing import Any, Final

import httpx
import pytest
from PIL import Image

import samples
from product import Product
from refusals import assert_problem

IMAGES: Final = "/api/v1/images"
HOSTILE: Final = "<b>&amp;]]>\u0001 \u202e'\""


@pytest.fixture(scope="module")
def photograph(product: Product) -> dict[str, Any]:
    return product.settled(product.upload(samples.jpeg(3000, 2000, seed=1, quality=95), title="Evening"))


def embed(product: Product, url: str, **query: object) -> httpx.Response:
    return product.stranger.get("/oembed", params={"url": url, **{name: str(value) for name, value in query.items()}})


def test_a_share_page_is_a_photo_that_is_as_large_as_is_said(product: Product, photograph: dict[str, Any]) -> None:
    answer = embed(product, photograph["page_url"])
    assert answer.headers["content-type"].startswith("application/json")
    found = answer.json()
    assert (found["version"], found["type"], found["title"]) == ("1.0", "photo", "Evening")
    assert found["provider_url"] == f"{product.base_url}/"
    for prefix in ("", "thumbnail_"):
        picture = Image.open(io.BytesIO(httpx.get(found[f"{prefix}url"]).content))
        assert picture.size == (found[f"{prefix}width"], found[f"{prefix}height"])
    assert (found["width"], found["height"]) == (2048, 1365)


@pytest.mark.parametrize(
    ("limits", "size"),
    [
        ({"maxwidth": 4000}, (2048, 1365)),
        ({"maxwidth": 2047}, (600, 600)),
        ({"maxwidth": 640, "maxheight": 400}, (300, 300)),
        ({"maxheight": 299}, (150, 150)),
        ({"maxwidth": 150, "maxheight": 150}, (150, 150)),
    ],
)
def test_limits_are_kept_to_the_pixel(
    product: Product, photograph: dict[str, Any], limits: dict[str, int], size: tuple[int, int]
) -> None:
    found = embed(product, photograph["page_url"], **limits).json()
    assert (found["type"], found["width"], found["height"]) == ("photo", *size)
    assert Image.open(io.BytesIO(httpx.get(found["url"]).content)).size == size
    assert found["thumbnail_width"] <= limits.get("maxwidth", 4000)
    assert found["thumbnail_height"] <= limits.get("maxheight", 4000)


def test_a_picture_that_fits_no_limit_is_a_link(product: Product, photograph: dict[str, Any]) -> None:
    found = embed(product, photograph["page_url"], maxwidth=149).json()
    assert found["type"] == "link"
    assert not {"url", "width", "thumbnail_url"} & set(found)


def test_a_small_picture_comes_as_it_is(product: Product) -> None:
    image = product.settled(product.upload(samples.gif(frames=2)))
    found = embed(product, image["page_url"]).json()
    assert (found["url"], found["width"], found["height"]) == (image["url"], image["width"], image["height"])
    assert "title" not in found


def test_xml_says_the_same_as_json_and_can_be_read(product: Product) -> None:
    image = product.settled(product.upload(samples.jpeg(seed=2), title=HOSTILE))
    answer = embed(product, image["page_url"], format="xml")
    assert answer.headers["content-type"].startswith("text/xml")
    root = ET.fromstring(answer.content)  # noqa: S314 -- our own answer, and that it can be read is the question
    found = {element.tag: element.text for element in root}
    assert root.tag == "oembed"
    assert found == {
        name: str(value) for name, value in embed(product, image["page_url"], format="json").json().items()
    }
    assert found["title"] == HOSTILE.replace("\u0001", "")


def test_a_format_that_there_is_not_is_not_implemented(product: Product, photograph: dict[str, Any]) -> None:
    assert_problem(embed(product, photograph["page_url"], format="yaml"), 501, "oembed.unsupported_format")


def test_addresses_that_are_no_pages_of_ours_are_not_found(product: Product, photograph: dict[str, Any]) -> None:
    page, name = photograph["page_url"], photograph["id"]
    for url in (
        page.replace("127.0.0.1", "example.org"),
        page[:-1],
        f"{product.base_url}/i/{name}/original.jpg",
        f"ftp://127.0.0.1/p/{name}",
        f"/p/{name}",
        "nonsense",
        "http://[::1",
        f"{product.base_url}/p/img_{'0' * 22}",
        f"{product.base_url}/p/{name}/../../healthz",
    ):
        assert_problem(embed(product, url), 404, "not_found")
    assert embed(product, f"{page}/?utm=1#top").status_code == 200


def test_what_is_not_for_everybody_or_gone_is_not_found(product: Product) -> None:
    private = product.upload(samples.jpeg(seed=3), anonymous=True, visibility="private")
    trashed, purged = product.upload(samples.jpeg(seed=4)), product.upload(samples.jpeg(seed=5))
    damaged = product.settled(product.upload(samples.undecodable_png()))
    product.client.delete(f"{IMAGES}/{trashed['id']}")
    product.client.delete(f"{IMAGES}/{purged['id']}", params={"purge": "true"})
    for image in (private, trashed, purged, damaged):
        assert_problem(embed(product, image["page_url"]), 404, "not_found")
    assert_problem(embed(product, f"{private['page_url']}?token={private['read_token']}"), 404, "not_found")


def test_an_unlisted_picture_is_embedded_and_not_indexed(product: Product) -> None:
    image = product.settled(product.upload(samples.jpeg(seed=6), visibility="unlisted"))
    answer = embed(product, image["page_url"])
    assert (answer.status_code, answer.headers["x-robots-tag"]) == (200, "noindex")


def test_questions_that_make_no_sense_are_refused(product: Product, photograph: dict[str, Any]) -> None:
    assert_problem(product.stranger.get("/oembed"), 400, "request.unreadable")
    for limit in ("0", "-5", "wide", "1e3", "9" * 30):
        assert_problem(embed(product, photograph["page_url"], maxwidth=limit), 400, "request.unreadable")


def test_answers_are_kept_for_minutes_by_tags_and_read_from_other_sites(
    product: Product, photograph: dict[str, Any]
) -> None:
    answer = embed(product, photograph["page_url"])
    assert answer.headers["cache-control"] == f"public, max-age={answer.json()['cache_age']}"
    assert photograph["id"] in answer.headers["cache-tag"]
    assert answer.headers["access-control-allow-origin"] == "*"
