"""The share page as programs read it: its head, its status, its headers, and nothing of anybody's that is markup."""

import io
from collections.abc import Iterator
from typing import Any, Final
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from PIL import Image

import samples
from documents import Document
from postgres import passable_directory
from product import Product, start_product
from refusals import assert_problem

IMAGES: Final = "/api/v1/images"
BROWSER: Final = {"accept": "text/html,application/xhtml+xml,*/*;q=0.8"}
HOSTILE: Final = """</title><script>alert(1)</script>"'><img src=x onerror=alert(1)>&amp;{{7*7}}\u202e\u0007"""


def page_of(product: Product, image: dict[str, Any], **query: str) -> httpx.Response:
    return product.stranger.get(f"/p/{image['id']}", params=query, headers=BROWSER)


def read(answer: httpx.Response) -> Document:
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    return Document(answer.text)


@pytest.fixture(scope="module")
def photograph(product: Product) -> dict[str, Any]:
    data = samples.jpeg(3000, 2000, seed=1, quality=95)
    image = product.upload(data, title="Evening on the quay", alt="Boats in low sun", tags="sea,evening")
    return product.settled(image)


# What is there


def test_the_page_shows_the_picture_and_what_is_known_of_it(product: Product, photograph: dict[str, Any]) -> None:
    answer = page_of(product, photograph)
    assert answer.status_code == 200
    page = read(answer)
    [picture] = [each for each in page.all("img") if each.get("alt")]
    assert picture["alt"] == "Boats in low sun"
    assert (picture["width"], picture["height"]) == ("2048", "1365")
    shown = product.stranger.get(str(picture["src"]))
    assert (shown.status_code, shown.headers["content-type"].partition("/")[0]) == (200, "image")
    for words in ("Evening on the quay", "3000 × 2000", "JPEG", "sea", "evening"):
        assert words in page.words
    assert page.all("script") == []
    assert [name for _, attributes in page.elements for name in attributes if name.startswith("on")] == []


def test_the_head_has_what_programs_that_show_links_as_cards_look_for(
    product: Product, photograph: dict[str, Any]
) -> None:
    page = read(page_of(product, photograph))
    meta = page.meta()
    assert meta["og:title"] == meta["twitter:title"] == "Evening on the quay"
    assert meta["og:description"] == meta["og:image:alt"] == meta["twitter:image:alt"] == "Boats in low sun"
    assert meta["og:url"] == photograph["page_url"] == page.link("canonical")[0]["href"]
    assert meta["twitter:card"] == "summary_large_image"
    picture = httpx.get(str(meta["og:image"]))
    assert picture.headers["content-type"] == meta["og:image:type"] == "image/jpeg"
    decoded = Image.open(io.BytesIO(picture.content))
    assert decoded.size == (int(str(meta["og:image:width"])), int(str(meta["og:image:height"]))) == (2048, 1365)
    assert "robots" not in meta


def test_the_page_says_where_its_oembed_is(product: Product, photograph: dict[str, Any]) -> None:
    links = read(page_of(product, photograph)).link("alternate")
    assert [link["type"] for link in links] == ["application/json+oembed", "text/xml+oembed"]
    for link in links:
        assert parse_qs(urlsplit(str(link["href"])).query)["url"] == [photograph["page_url"]]
        assert httpx.get(str(link["href"])).status_code == 200


def test_a_small_picture_is_shown_as_it_is_and_an_animation_moves(product: Product) -> None:
    for data, kind in ((samples.jpeg(300, 200, seed=2), "jpg"), (samples.gif(frames=3), "gif")):
        image = product.settled(product.upload(data))
        page = read(page_of(product, image))
        assert urlsplit(str(page.meta()["og:image"])).path == f"/i/{image['id']}/original.{kind}"
        assert "A picture" in page.words


# What others wrote into it


def test_nothing_that_people_write_becomes_markup(product: Product) -> None:
    image = product.upload(samples.jpeg(seed=3), title=HOSTILE, alt=HOSTILE, tags=f"{HOSTILE[:40]},</ul>")
    answer = page_of(product, product.settled(image))
    page = read(answer)
    assert page.all("script") == []
    assert "onerror=alert(1)>" not in answer.text.replace("onerror=alert(1)&gt;", "")
    assert [each for each in page.all("img") if each.get("src") == "x"] == []
    assert page.meta()["og:title"] == HOSTILE.replace("\a", "")
    assert "\a" not in answer.text
    assert HOSTILE.replace("\a", "") in page.words
    assert "</ul>" in page.words


# Who may see it


def test_a_page_has_a_strict_policy_and_sends_no_address_along(product: Product, photograph: dict[str, Any]) -> None:
    for answer in (page_of(product, photograph), product.stranger.get("/p/nothing", headers=BROWSER)):
        policy = answer.headers["content-security-policy"]
        assert policy.startswith("default-src 'none'")
        assert "script" not in policy
        assert "unsafe" not in policy
        assert answer.headers["referrer-policy"] == "no-referrer"
        assert answer.headers["x-content-type-options"] == "nosniff"


def test_a_page_of_an_unlisted_picture_is_for_people_and_not_for_search_engines(product: Product) -> None:
    image = product.settled(product.upload(samples.jpeg(seed=4), visibility="unlisted"))
    answer = page_of(product, image)
    assert read(answer).meta()["robots"] == "noindex"
    assert answer.headers["x-robots-tag"] == "noindex"
    assert "og:image" in read(answer).meta()


def test_a_private_page_needs_its_token_and_leaks_it_to_no_cache_and_no_card(product: Product) -> None:
    image = product.upload(samples.jpeg(seed=5), anonymous=True, visibility="private", title="Mine")
    product.settled(image)
    refused = page_of(product, image)
    assert refused.status_code == 404
    assert "Mine" not in refused.text
    unknown = product.stranger.get("/p/img_" + "0" * 22, headers=BROWSER)
    assert refused.text == unknown.text  # nobody can tell that it is there
    assert set(refused.headers) == set(unknown.headers)
    assert_problem(product.stranger.get(f"/p/{image['id']}"), 404, "not_found")  # to programs
    answer = page_of(product, image, token=image["read_token"])
    assert (answer.status_code, answer.headers["cache-control"]) == (200, "private, no-store")
    assert "cache-tag" not in answer.headers
    assert "noindex" in answer.headers["x-robots-tag"]
    page = read(answer)
    assert [name for name in page.meta() if str(name).startswith(("og:", "twitter:"))] == []
    assert page.link("alternate") == []
    assert image["read_token"] not in str(page.link("canonical"))
    [picture] = [each for each in page.all("img") if each.get("alt")]
    assert product.stranger.get(str(picture["src"])).status_code == 200
    assert page_of(product, image, token="ttr_" + "0" * 33).status_code == 404


# Caches


def test_a_page_is_kept_for_a_minute_by_tags_and_asked_for_again_by_etag(
    product: Product, photograph: dict[str, Any]
) -> None:
    answer = page_of(product, photograph)
    assert answer.headers["cache-control"] == "public, max-age=60"
    assert answer.headers["cache-tag"] == product.stranger.get(photograph["url"]).headers["cache-tag"]
    again = product.stranger.get(f"/p/{photograph['id']}", headers={**BROWSER, "if-none-match": answer.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    assert again.headers["cache-tag"] == answer.headers["cache-tag"]
    head = product.stranger.head(f"/p/{photograph['id']}", headers=BROWSER)
    assert (head.status_code, head.content, head.headers["etag"]) == (200, b"", answer.headers["etag"])


# When there is no picture


def test_what_was_deleted_is_gone_and_what_never_was_is_not_found(product: Product) -> None:
    image = product.upload(samples.jpeg(seed=6), title="Gone")
    product.client.delete(f"{IMAGES}/{image['id']}", params={"purge": "true"})
    answer = page_of(product, image)
    assert (answer.status_code, answer.headers["cache-control"]) == (410, "public, max-age=5")
    assert "This picture was deleted" in read(answer).words
    for path in ("/p/nothing", "/p/img_" + "0" * 22, "/p/img_" + "%3Cb%3E" * 4):
        answer = product.stranger.get(path, headers=BROWSER)
        assert answer.status_code == 404
        assert "There is no picture here" in read(answer).words


def test_what_is_in_the_trash_is_not_there_for_strangers(product: Product) -> None:
    image = product.upload(samples.jpeg(seed=7), title="Regretted")
    product.client.delete(f"{IMAGES}/{image['id']}")
    answer = page_of(product, image)
    assert answer.status_code == 404
    assert "Regretted" not in answer.text
    owner = product.client.get(f"/p/{image['id']}", headers=BROWSER)
    assert (owner.status_code, owner.headers["cache-control"]) == (404, "private, no-store")
    assert "in the trash" in read(owner).words


def test_a_picture_that_cannot_be_shown_says_so(product: Product) -> None:
    image = product.settled(product.upload(samples.undecodable_png()))
    assert image["state"] == "rejected"
    answer = page_of(product, image)
    assert answer.status_code == 404
    assert "This picture cannot be shown" in read(answer).words


def test_a_picture_whose_sizes_failed_and_one_in_work_are_shown_as_they_are(product: Product) -> None:
    for state, words in (("failed", "could not be made"), ("processing", "has just arrived")):
        image = product.settled(product.upload(samples.jpeg(2500, 1800, seed=len(words), quality=95)))
        sha256 = bytes.fromhex(image["sha256"])
        product.query("UPDATE images SET state = %s, revision = 9 WHERE sha256 = %s", state, sha256)
        product.query("SELECT pg_notify('tintype_images', id::text) FROM images WHERE sha256 = %s", sha256)
        answer = eventually_page(product, image, words)
        assert answer.status_code == 200
        assert urlsplit(str(read(answer).meta()["og:image"])).path.endswith("/original.jpg")


def eventually_page(product: Product, image: dict[str, Any], words: str) -> httpx.Response:
    for _ in range(100):
        answer = page_of(product, image)
        if words in answer.text:
            return answer
    raise AssertionError(answer.text)


# Behind another address


@pytest.fixture
def published() -> Iterator[Product]:
    environment = {"TINTYPE_PUBLIC_URL": "https://pics.example"}
    with passable_directory() as directory, start_product(directory / "data", environment=environment) as started:
        yield started


def test_links_lead_to_the_public_address_and_the_picture_comes_from_here(published: Product) -> None:
    image = published.settled(published.upload(samples.jpeg(seed=8)))
    page = read(page_of(published, image))
    assert page.link("canonical")[0]["href"] == f"https://pics.example/p/{image['id']}"
    assert str(page.meta()["og:image"]).startswith("https://pics.example/i/")
    assert page.meta()["og:image:secure_url"] == page.meta()["og:image"]
    assert {str(each["src"])[:1] for each in page.all("img")} == {"/"}
    found = published.stranger.get("/oembed", params={"url": f"https://pics.example/p/{image['id']}"}).json()
    assert found["url"].startswith("https://pics.example/i/")
