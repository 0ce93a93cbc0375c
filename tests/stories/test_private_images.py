"""Who may see an image: one decision for its original, its variants, its metadata and every way that leads there."""

from typing import Any, Final

import httpx
import pytest

import samples
from product import Product
from refusals import assert_problem
from tenants import another_tenant

IMAGES: Final = "/api/v1/images"


@pytest.fixture(scope="module")
def private(product: Product) -> dict[str, Any]:
    """Give an anonymous private image that is ready, with its tokens."""
    image = product.upload(samples.jpeg(seed=90), anonymous=True, visibility="private")
    product.settled(image)
    return image


def ways(image_id: str) -> list[str]:
    """Return every address that shows something of an image."""
    names = ("original", "original.jpg", "thumb", "thumb.webp", "medium.jpg", "large.png", "huge")
    sizes = ("thumb", "large", "original", "huge")
    return [
        f"{IMAGES}/{image_id}",
        f"{IMAGES}/{image_id}/variants",
        f"/p/{image_id}",
        *(f"{IMAGES}/{image_id}?size={size}" for size in sizes),
        *(f"/i/{image_id}/{name}" for name in names),
        *(f"/i/{image_id}/{name}?v=1" for name in names),
        f"/i/{image_id}/thumb?v=2",
    ]


def shown(answer: httpx.Response) -> bool:
    return answer.status_code in {200, 302}


def with_token(path: str, token: str) -> str:
    return f"{path}{'&' if '?' in path else '?'}token={token}"


def test_the_query_of_a_form_counts_like_its_fields(product: Product) -> None:
    fields = {"visibility": "private", "title": "Ours alone", "tags": "a,b"}
    answer = product.stranger.post(
        IMAGES, params=fields, data={"tags": "c"}, files={"file": ("a.jpg", samples.jpeg(seed=91))}
    )
    assert answer.status_code == 201
    image = answer.json()
    assert (image["visibility"], image["title"], image["tags"]) == ("private", "Ours alone", ["a", "b", "c"])
    assert_problem(product.stranger.get(f"{IMAGES}/{image['id']}"), 404, "not_found")


def test_a_private_image_is_not_there_for_a_stranger_whichever_way_they_come(
    product: Product, private: dict[str, Any]
) -> None:
    for path in ways(private["id"]):
        for _ in range(2):
            assert_problem(product.stranger.get(path), 404, "not_found")


def test_a_stranger_reads_the_same_of_a_private_image_as_of_none(product: Product, private: dict[str, Any]) -> None:
    flipped = private["id"][:-1] + ("A" if private["id"][-1] != "A" else "B")
    for there, not_there in zip(ways(private["id"]), ways(flipped), strict=True):
        hidden, missing = (product.stranger.get(path).json() for path in (there, not_there))
        assert {**hidden, "request_id": ""} == {**missing, "request_id": ""}


@pytest.mark.parametrize(
    "path",
    ["{images}/{id}", "{images}/{id}/variants", "/i/{id}/original.jpg?v=1", "/i/{id}/thumb", "/i/{id}/large.webp"],
)
def test_the_read_token_opens_everything_and_nothing_of_it_is_shared_by_caches(
    product: Product, private: dict[str, Any], path: str
) -> None:
    path = with_token(path.format(images=IMAGES, id=private["id"]), private["read_token"])
    for _ in range(2):
        answer = product.stranger.get(path)
        assert answer.status_code == 200
        assert answer.headers["cache-control"] == ("private, no-cache" if path.startswith("/i/") else "no-store")


def test_the_api_key_opens_a_private_image(product: Product, private: dict[str, Any]) -> None:
    ours = product.settled(product.upload(samples.jpeg(seed=91), visibility="private"))
    for image in (private, ours):
        assert all(shown(product.client.get(path)) for path in ways(image["id"]) if "huge" not in path)
        answer = product.client.get(f"/i/{image['id']}/thumb?v=1")
        assert answer.headers["cache-control"] == "private, no-cache"
        etag = answer.headers["etag"]
        assert product.client.get(f"/i/{image['id']}/thumb?v=1", headers={"if-none-match": etag}).status_code == 304


def test_to_hold_the_etag_of_a_private_image_is_not_to_see_it(product: Product, private: dict[str, Any]) -> None:
    path = f"/i/{private['id']}/thumb?v=1"
    etag = product.client.get(path).headers["etag"]
    for headers in ({"if-none-match": etag}, {"range": "bytes=0-1"}, {"if-none-match": "*"}):
        assert product.stranger.get(path, headers=headers).status_code == 404


def test_what_is_no_token_of_this_image_opens_nothing(product: Product, private: dict[str, Any]) -> None:
    other = product.upload(samples.jpeg(seed=92), anonymous=True, visibility="private")
    right = private["read_token"]
    wrong = [
        right[:-1] + ("A" if right[-1] != "A" else "B"),
        other["read_token"],
        private["delete_token"],
        "ttr_" + private["delete_token"].removeprefix("ttw_"),
        product.api_key,
        "",
        "%00",
        right + "0",
    ]
    for token in wrong:
        for path in ways(private["id"]):
            assert_problem(product.stranger.get(with_token(path, token)), 404, "not_found")


def test_a_read_token_travels_along_a_redirect_and_nothing_else_does(product: Product, private: dict[str, Any]) -> None:
    token = private["read_token"]
    for path in (f"{IMAGES}/{private['id']}?size=thumb", f"/i/{private['id']}/thumb.jpg?v=7"):
        answer = product.stranger.get(with_token(path, token))
        assert answer.status_code == 302
        assert product.stranger.get(answer.headers["location"]).status_code == 200
        answer = product.client.get(with_token(path, "x%0d%0aset-cookie:%20a=b"))
        assert answer.status_code == 302
        assert "token" not in answer.headers["location"]


def test_the_key_of_another_tenant_opens_nothing(product: Product, private: dict[str, Any]) -> None:
    public = product.settled(product.upload(samples.jpeg(seed=93)))
    with another_tenant(product) as theirs:
        for path in ways(private["id"]):
            assert_problem(theirs.get(path), 404, "not_found")
        assert theirs.get(f"{IMAGES}/{public['id']}").json()["source_sha256"] is None


def test_a_credential_that_is_none_is_refused_where_one_is_needed(product: Product, private: dict[str, Any]) -> None:
    for path in (f"{IMAGES}/{private['id']}", f"/i/{private['id']}/thumb"):
        assert_problem(product.stranger.get(path, headers={"authorization": "Bearer ttk_x"}), 401, "auth.required")


def test_an_unlisted_image_is_seen_by_whoever_has_the_link(product: Product) -> None:
    image = product.settled(product.upload(samples.jpeg(seed=94), visibility="unlisted"))
    assert all(shown(product.stranger.get(path)) for path in ways(image["id"]) if "huge" not in path)
    assert product.stranger.get(image["url"]).headers["cache-control"].startswith("public")


def test_a_private_image_that_shares_its_bytes_with_a_public_one_stays_private(product: Product) -> None:
    data = samples.jpeg(seed=95)
    public, private = product.upload(data), product.upload(data, visibility="private")
    product.settled(public)
    product.settled(private)
    assert product.stranger.get(public["url"]).status_code == 200
    assert product.stranger.get(private["url"]).status_code == 404
