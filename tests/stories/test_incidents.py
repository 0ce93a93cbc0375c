"""Classes of holes that others had, as far as no other test shows that they are not ours (docs/security.md lists all).

What is enumerated here comes from the OpenAPI document, so that an endpoint of tomorrow is held to the same.
"""

import io
import itertools
from collections.abc import Iterator
from typing import Any, Final

import pytest
from PIL import Image

import samples
from product import Product, own_product
from signed_in import signed_in

IMAGES: Final = "/api/v1/images"
HIDDEN: Final = frozenset({401, 403, 404, 410})
NEVER_SHOWN: Final = HIDDEN | {400, 405, 409, 412, 415, 422, 428}
"""What an unsafe request of a stranger may be answered: it never succeeds."""


@pytest.fixture(scope="module")
def product() -> Iterator[Product]:
    with own_product() as running:
        yield running


@pytest.fixture(scope="module")
def private(product: Product) -> dict[str, Any]:
    """Give a private image of somebody else's, ready."""
    return product.settled(product.upload(samples.jpeg(seed=300), visibility="private"))


def operations(product: Product) -> Iterator[tuple[str, str]]:
    """Yield method and path of every operation on one image."""
    paths: dict[str, dict[str, Any]] = product.stranger.get("/openapi.json").json()["paths"]
    for path, methods in paths.items():
        if "{image_id}" in path:
            yield from ((method.upper(), path) for method in methods)


def test_what_is_private_is_open_by_no_operation_to_a_stranger(product: Product, private: dict[str, Any]) -> None:
    """Immich #29599, Pixelfed CVE-2025-30741, Mastodon CVE-2025-62175: closed in one place, open in another."""
    tried = list(operations(product))
    assert len(tried) >= 5
    for method, path in tried:
        answer = product.stranger.request(
            method, path.format(image_id=private["id"]), json={} if method != "GET" else None
        )
        assert answer.status_code in (HIDDEN if method == "GET" else NEVER_SHOWN), (method, path, answer.text[:200])
        assert private["sha256"] not in answer.text
    assert product.client.get(f"{IMAGES}/{private['id']}").json()["state"] == "ready"


def test_what_an_account_hides_is_open_by_no_operation_to_another_account(product: Product) -> None:
    """The same for people: neither another account nor one that is signed in by cookie gets in where the front is shut.

    Nor does a follower see more than followers may, nor anybody a picture of an account that was suspended.
    """
    with signed_in(product) as anna, signed_in(product) as ben:
        images = [anna.upload(samples.jpeg(seed=304 + n), visibility=each) for n, each in enumerate(HIDDEN_FROM_OTHERS)]
        withdrawn = ben.upload(samples.jpeg(seed=306))
        product.settled(withdrawn)
        product.query("UPDATE accounts SET state = 'suspended' WHERE id = %s", ben.id)
        product.query("SELECT pg_notify('tintype_accounts', %s)", str(ben.id))
        with signed_in(product) as carl:
            for image, (method, path) in itertools.product([*images, withdrawn], operations(product)):
                for headers in ({"authorization": f"Bearer {carl.token}"}, carl.cookie):
                    address = path.format(image_id=image["id"])
                    body: dict[str, str] | None = {} if method != "GET" else None
                    answer = product.stranger.request(method, address, json=body, headers=headers)
                    assert answer.status_code in (HIDDEN if method == "GET" else NEVER_SHOWN), (method, path)
                    assert image["sha256"] not in answer.text
            for image in (*images, withdrawn):
                for url in addresses(image):
                    assert product.stranger.get(url, headers=carl.cookie).status_code == 404


HIDDEN_FROM_OTHERS: Final = ("private", "followers")


def test_a_token_that_reads_is_no_token_that_writes(product: Product) -> None:
    image = product.upload(samples.jpeg(seed=301), anonymous=True, visibility="private")
    product.settled(image)
    for method, path in operations(product):
        if method in {"GET", "HEAD"}:
            continue
        for headers in ({"upload-token": image["read_token"]}, {"authorization": f"Bearer {image['read_token']}"}):
            address = f"{path.format(image_id=image['id'])}?token={image['read_token']}"
            answer = product.stranger.request(method, address, headers=headers, json={})
            assert answer.status_code in NEVER_SHOWN, (method, path, answer.text[:200])
    assert product.client.get(f"{IMAGES}/{image['id']}").json()["state"] == "ready"


@pytest.mark.parametrize(
    "field",
    [
        "id",
        "state",
        "state_reason",
        "tenant",
        "version",
        "format",
        "content_type",
        "url",
        "owner",
        "created_at",
        "frames",
    ],
)
def test_no_field_sets_what_is_the_server_s_to_say(product: Product, field: str) -> None:
    """CVE-2026-33173: a client set an internal state, or a type that was believed."""
    for fields in ({"data": {field: "1"}}, {"params": {field: "1"}}):
        answer = product.client.post(IMAGES, files={"file": samples.jpeg(16, 12)}, **fields)  # type: ignore[arg-type]
        assert answer.status_code == 422
        assert [error["field"] for error in answer.json()["errors"]] == [field]


INJECTED: Final = (
    *(
        "w=1",
        "width=9000&height=9000",
        "resize=9000x9000",
        "quality=1",
        "format=svg",
        "fmt=gif",
        "op=crop",
        "-resize=1",
    ),
    *(
        "saver=system;id",
        "loader=svgload",
        "page=0%5Bn=-1%5D",
        "thumb%5Bn=-1%5D",
        "v=1&v=2&w=1",
        "token=x&token=y&n=-1",
    ),
)


@pytest.mark.parametrize("query", INJECTED)
def test_what_a_delivery_url_says_beyond_its_words_does_nothing(product: Product, query: str) -> None:
    """CVE-2022-21831, CVE-2025-24293: parameters of a request became calls of the image library."""
    image = product.settled(product.upload(samples.jpeg(seed=302)))
    plain = product.stranger.get(f"/i/{image['id']}/thumb.jpg")
    before = product.query("SELECT count(*) FROM variants")
    answer = product.stranger.get(f"/i/{image['id']}/thumb.jpg?{query}", follow_redirects=True)
    assert answer.content == plain.content
    assert product.query("SELECT count(*) FROM variants") == before


@pytest.mark.parametrize(
    "name",
    ["thumb[n=-1]", "thumb,w_9000", "w_400,h_300", "9000x9000", "THUMB", "thumb.svg", "thumb.jpg.exe", "*", "t?umb"],
)
def test_a_preset_is_one_of_those_that_there_are(product: Product, name: str) -> None:
    """CVE-2026-33202: a key became a glob."""
    image = product.settled(product.upload(samples.jpeg(seed=302)))
    assert product.stranger.get(f"/i/{image['id']}/{name}").status_code == 404


def test_a_picture_that_was_cropped_away_is_in_no_answer(product: Product) -> None:
    """CVE-2023-21036 (acropalypse), thumbnails in EXIF, coordinates: nothing beside the picture is served."""
    secret = b"SECRET-LEFT-BEHIND"
    sent = {
        "jpeg": samples.jpeg(64, 48, gps=True, orientation=6, canary=secret) + samples.jpeg(90, 90, seed=5),
        "png": samples.png(64, 48, canary=secret) + samples.png(200, 200, seed=5)[8:] + secret,
        "gif": samples.gif(64, 48, frames=2, canary=secret) + secret,
        "webp": samples.webp(64, 48, frames=2, canary=secret) + secret,
    }
    for data in sent.values():
        assert secret in data
        image = product.settled(product.upload(data))
        assert image["state"] == "ready"
        for url in addresses(image):
            served = product.stranger.get(url).content
            assert secret not in served
            with Image.open(io.BytesIO(served)) as opened:
                assert set(opened.getexif()) <= {0x0112}
                assert not {"comment", "xmp", "XML:com.adobe.xmp", "photoshop"} & set(map(str, opened.info))


def addresses(image: dict[str, Any]) -> list[str]:
    """Return the original and every thumbnail in every format."""
    made = [f"/i/{image['id']}/{name}.{ext}" for name, ext in itertools.product(("thumb", "large"), ("jpg", "webp"))]
    return [image["url"], *image["thumbnails"].values(), *made]


def test_no_answer_to_anybody_sets_a_cookie_or_believes_a_type(product: Product) -> None:
    """CVE-2024-26144: a session's cookie was cached with an image. And what is served is what was sniffed."""
    image = product.settled(product.upload(samples.png(seed=303)))
    for client, url in itertools.product(
        (product.client, product.stranger), (*addresses(image), f"{IMAGES}/{image['id']}")
    ):
        answer = client.get(url, headers={"cookie": "tintype_session=x"})
        assert answer.status_code == 200
        assert "set-cookie" not in answer.headers
        if url.startswith(("/i/", "http")):
            assert answer.headers["x-content-type-options"] == "nosniff"
            assert answer.headers["content-type"].startswith("image/")


def test_a_photograph_at_every_limit_is_taken(product: Product) -> None:
    """A limit of libvips 8.18.3 refused photographs of telephones: a limit is tried with what it is to let through."""
    camera = samples.jpeg(4_000, 3_000, orientation=6, gps=True, icc=samples.icc_profile(), quality=70)
    many_segments = camera[:2] + samples.jpeg_segment(0xE1, bytes(65_000)) * 60 + camera[2:]
    for data in (camera, many_segments, samples.jpeg(4_000, 3_000, progressive=True, restart_blocks=4, quality=60)):
        image = product.settled(product.upload(data))
        assert (image["state"], {image["width"], image["height"]}) == ("ready", {4_000, 3_000})
