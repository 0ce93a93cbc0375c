"""What is said of an image can be changed: by its owner, field by field, and at once for everybody."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, Final

import httpx
import pytest

import samples
from postgres import passable_directory
from product import Product, eventually, start_product
from refusals import assert_problem
from tenants import another_tenant

IMAGES: Final = "/api/v1/images"


@pytest.fixture(scope="module")
def product() -> Iterator[Product]:
    with passable_directory() as directory, start_product(directory / "data", "--api-processes", "2") as running:
        yield running


@pytest.fixture(scope="module")
def image(product: Product) -> dict[str, Any]:
    return product.settled(product.upload(samples.jpeg(seed=720), title="Before", alt="Words", tags="a,b"))


def resource(image: dict[str, Any]) -> str:
    return f"{IMAGES}/{image['id']}"


def change(product: Product, image: dict[str, Any], **fields: object) -> httpx.Response:
    return product.client.patch(resource(image), json=fields)


def test_what_is_named_changes_and_the_rest_stays(product: Product, image: dict[str, Any]) -> None:
    answer = change(product, image, title="After", attach_to={"type": "shop.order", "id": "42"})
    assert answer.status_code == 200
    shown = answer.json()
    assert (shown["title"], shown["alt"], shown["tags"]) == ("After", "Words", ["a", "b"])
    assert shown["attached_to"] == {"type": "shop.order", "id": "42"}
    assert (shown["version"], shown["state"], shown["url"]) == (1, "ready", image["url"])
    assert answer.headers["etag"] == product.client.get(resource(image)).headers["etag"]


def test_null_clears(product: Product) -> None:
    fields: dict[str, Any] = {"title": "T", "alt": "A", "tags": "x", "expires_in": "1000", "attach_to": "order:7"}
    image = product.upload(samples.jpeg(seed=721), **fields)
    assert (image["expires_at"] is not None, image["attached_to"]) == (True, {"type": "order", "id": "7"})
    shown = change(product, image, title=None, alt=None, tags=None, expires_at=None, attach_to=None).json()
    cleared = [shown[name] for name in ("title", "alt", "tags", "expires_at", "attached_to")]
    assert cleared == [None, None, [], None, None]


def test_a_time_is_given_back_in_utc(product: Product) -> None:
    image = product.upload(samples.jpeg(seed=722))
    shown = change(product, image, expires_at="2031-05-04T03:02:01.5+02:00").json()
    assert shown["expires_at"] == "2031-05-04T01:02:01.500Z"


BAD: Final[dict[str, tuple[dict[str, Any], str]]] = {
    "unknown": ({"colour": "red"}, "colour"),
    "what is the server's": ({"state": "ready"}, "state"),
    "a title that is no text": ({"title": 1}, "title"),
    "a long title": ({"title": "x" * 501}, "title"),
    "a long alt": ({"alt": "x" * 5_001}, "alt"),
    "NUL": ({"title": "a\0b"}, "title"),
    "tags that are no list": ({"tags": "a,b"}, "tags"),
    "tags that are no texts": ({"tags": [1]}, "tags"),
    "31 tags": ({"tags": [str(each) for each in range(31)]}, "tags"),
    "a visibility that there is not": ({"visibility": "secret"}, "visibility"),
    "no visibility": ({"visibility": None}, "visibility"),
    "a visibility that needs an account": ({"visibility": "followers"}, "visibility"),
    "a time without its zone": ({"expires_at": "2031-05-04T03:02:01"}, "expires_at"),
    "a time as a number": ({"expires_at": 1_900_000_000}, "expires_at"),
    "a time that is past": ({"expires_at": "2020-01-01T00:00:00Z"}, "expires_at"),
    "a year that is too late": ({"expires_at": "99999-01-01T00:00:00Z"}, "expires_at"),
    "an attachment without an id": ({"attach_to": {"type": "a"}}, "attach_to"),
    "an attachment with more": ({"attach_to": {"type": "a", "id": "b", "x": 1}}, "attach_to"),
    "a type with a colon": ({"attach_to": {"type": "a:b", "id": "c"}}, "attach_to"),
    "our own type": ({"attach_to": {"type": "account", "id": "c"}}, "attach_to"),
}


@pytest.mark.parametrize("name", BAD)
def test_each_bad_field_is_named_and_nothing_changes(product: Product, image: dict[str, Any], name: str) -> None:
    fields, named = BAD[name]
    tag = product.client.get(resource(image)).headers["etag"]
    problem = assert_problem(change(product, image, **{"alt": "New", **fields}), 422, "request.invalid")
    assert [error["field"] for error in problem["errors"]] == [named]
    assert product.client.get(resource(image)).headers["etag"] == tag


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'"title"', b"null", b"\xff", b"[" * 100_000, b'{"a":' * 20_000])
def test_a_body_that_is_no_object_cannot_be_read(product: Product, image: dict[str, Any], body: bytes) -> None:
    assert_problem(product.client.patch(resource(image), content=body), 400, "request.unreadable")


@pytest.mark.parametrize("escape", ["\\ud800", "\\u0000"])
def test_what_no_database_can_hold_is_refused(product: Product, image: dict[str, Any], escape: str) -> None:
    body = f'{{"title": "a{escape}b"}}'.encode()
    assert product.client.patch(resource(image), content=body).status_code in {400, 422}


def test_a_body_that_is_too_long_is_refused(product: Product, image: dict[str, Any]) -> None:
    answer = change(product, image, alt="x" * 200_000)
    assert_problem(answer, 413, "request.too_large")


def test_only_the_owner_changes_an_image(product: Product) -> None:
    image = product.upload(samples.jpeg(seed=723), anonymous=True)
    body = {"title": "Mine"}
    assert_problem(product.stranger.patch(resource(image), json=body), 401, "auth.required")
    wrong = {"upload-token": image["delete_token"][:-1] + ("A" if image["delete_token"][-1] != "A" else "B")}
    assert_problem(product.stranger.patch(resource(image), json=body, headers=wrong), 403, "auth.forbidden")
    with another_tenant(product) as theirs:
        assert_problem(theirs.patch(resource(image), json=body), 403, "auth.forbidden")
    answer = product.stranger.patch(resource(image), json=body, headers={"upload-token": image["delete_token"]})
    assert (answer.status_code, answer.json()["title"]) == (200, "Mine")


def test_an_image_that_is_hidden_is_hidden_everywhere_at_once(product: Product) -> None:
    image = product.settled(product.upload(samples.jpeg(seed=724)))
    urls = [image["url"], *image["thumbnails"].values(), resource(image)]

    def answers() -> set[int]:
        """Ask each address often enough for every process to have its turn."""
        base = httpx.URL(product.base_url)
        return {httpx.get(base.join(url)).status_code for url in urls for _ in range(4)}

    assert answers() == {200}
    assert change(product, image, visibility="private").json()["visibility"] == "private"
    assert eventually(lambda: answers() == {404}, within=1)
    assert product.client.get(image["url"]).headers["cache-control"].startswith("private")
    change(product, image, visibility="unlisted")
    assert eventually(lambda: answers() == {200}, within=1)


def test_an_anonymous_image_that_is_hidden_gets_a_read_token(product: Product) -> None:
    image = product.upload(samples.jpeg(seed=725), anonymous=True)
    token = {"upload-token": image["delete_token"]}
    hidden = product.stranger.patch(resource(image), json={"visibility": "private"}, headers=token).json()
    assert hidden["read_token"].startswith("ttr_")
    assert product.stranger.get(image["url"]).status_code == 404
    assert product.stranger.get(image["url"], params={"token": hidden["read_token"], "v": "1"}).status_code == 200
    again = product.stranger.patch(resource(image), json={"title": "Still"}, headers=token).json()
    assert "read_token" not in again


def test_a_change_that_changes_nothing_keeps_the_etag(product: Product, image: dict[str, Any]) -> None:
    shown = change(product, image, title="Same")
    assert change(product, image, title="Same").headers["etag"] == shown.headers["etag"]
    assert change(product, image, title="Other").headers["etag"] != shown.headers["etag"]


def test_of_two_changes_of_the_same_state_one_wins(product: Product, image: dict[str, Any]) -> None:
    for trial in range(10):
        tag = {"if-match": product.client.get(resource(image)).headers["etag"]}
        titles = [f"Title {trial} {each}" for each in range(4)]

        def send(title: str, tag: dict[str, str] = tag) -> httpx.Response:
            headers = {**tag, "authorization": f"Bearer {product.api_key}"}
            return httpx.patch(f"{product.base_url}{resource(image)}", json={"title": title}, headers=headers)

        with ThreadPoolExecutor(4) as pool:
            answers = list(pool.map(send, titles))
        assert sorted(answer.status_code for answer in answers) == [200, 412, 412, 412]
        won = next(answer for answer in answers if answer.status_code == httpx.codes.OK).json()["title"]
        assert eventually(partial(is_called, product, image, won), within=1)


def is_called(product: Product, image: dict[str, Any], title: str) -> bool:
    return bool(product.client.get(resource(image)).json()["title"] == title)


def test_any_state_will_do_for_a_star_and_none_for_a_weak_tag(product: Product, image: dict[str, Any]) -> None:
    tag = product.client.get(resource(image)).headers["etag"]
    weak = product.client.patch(resource(image), json={"title": "W"}, headers={"if-match": f"W/{tag}"})
    assert_problem(weak, 412, "precondition_failed")
    star = product.client.patch(resource(image), json={"title": "*"}, headers={"if-match": "*"})
    assert star.status_code == 200


def test_who_has_the_image_already_is_told_so(product: Product, image: dict[str, Any]) -> None:
    tag = product.client.get(resource(image)).headers["etag"]
    for known in (tag, f"W/{tag}", f'"x", {tag}', "*"):
        answer = product.client.get(resource(image), headers={"if-none-match": known})
        assert (answer.status_code, answer.content, answer.headers["etag"]) == (304, b"", tag)
    change(product, image, title="Another one")
    assert product.client.get(resource(image), headers={"if-none-match": tag}).status_code == 200


def test_what_is_in_the_trash_is_not_changed(product: Product) -> None:
    image = product.upload(samples.jpeg(seed=726))
    product.client.delete(resource(image))
    assert_problem(change(product, image, title="T"), 409, "conflict")
    product.client.delete(resource(image), params={"purge": "true"})
    assert_problem(change(product, image, title="T"), 410, "image.gone")
