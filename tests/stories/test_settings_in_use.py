"""Settings that change what the server does: limits, anonymous uploads, a kind of one's own, the address in links."""

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest
from PIL import Image

import samples
from postgres import Server, fresh_database
from product import Product, start_product
from refusals import assert_problem

IMAGES: Final = "/api/v1/images"
BURST: Final = 3
PUBLIC_URL: Final = "https://pictures.example"

CONFIG: Final = """
[presets]
card = { width = 640, height = 360, fit = "cover" }
strip = { width = 400, height = 100, fit = "contain" }

[kinds.product]
max_bytes = "200kB"
max_pixels = "1MP"
max_frames = 1
formats = ["jpeg", "png"]
presets = ["card", "strip"]
outputs = ["webp", "png"]
visibility = "unlisted"
"""


@pytest.fixture(scope="module")
def product(embedded_server: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Product]:
    directory = tmp_path_factory.mktemp("settings")
    config = directory / "mine.toml"
    config.write_text(CONFIG)
    environment = {
        "TINTYPE_DATABASE_URL": fresh_database(embedded_server),
        "TINTYPE_RATE_LIMITS": "on",
        "TINTYPE_LIMITS__ADDRESS__REQUESTS": str(BURST),
        "TINTYPE_LIMITS__ADDRESS__REQUESTS_PER_MINUTE": "1",
        "TINTYPE_PUBLIC_URL": PUBLIC_URL,
    }
    with start_product(directory / "data", "--config", str(config), environment=environment) as running:
        yield running


def test_an_address_that_sends_too_much_waits_while_a_key_passes(product: Product) -> None:
    data = samples.jpeg(seed=140)
    assert [product.stranger.post(IMAGES, content=data).status_code for _ in range(BURST)] == [201] * BURST
    refused = product.stranger.post(IMAGES, content=data)
    problem = assert_problem(refused, 429, "rate_limited")
    assert 0 < int(refused.headers["retry-after"]) <= 60
    assert refused.headers["retry-after"] in problem["detail"]
    forwarded = {"x-forwarded-for": "203.0.113.7", "forwarded": "for=203.0.113.7"}
    assert product.stranger.post(IMAGES, content=data, headers=forwarded).status_code == 429
    assert [product.client.post(IMAGES, content=data).status_code for _ in range(BURST + 1)] == [201] * (BURST + 1)


def test_reading_is_not_limited(product: Product) -> None:
    image = product.settled(product.upload(samples.jpeg(seed=141)))
    path = image["url"].removeprefix(PUBLIC_URL)
    assert {product.stranger.get(path).status_code for _ in range(BURST * 4)} == {200}


def test_links_lead_to_the_public_address(product: Product) -> None:
    image = product.upload(samples.jpeg(seed=142))
    for link in (image["url"], image["page_url"], *image["thumbnails"].values()):
        assert link.startswith(f"{PUBLIC_URL}/")
    location = product.client.get(f"{IMAGES}/{image['id']}?size=thumb").headers["location"]
    assert location == image["thumbnails"]["thumb"]


def test_a_kind_of_ones_own_makes_what_it_says(product: Product) -> None:
    image = product.settled(product.upload(samples.jpeg(800, 600, seed=143), kind="product"))
    assert (image["kind"], image["visibility"]) == ("product", "unlisted")
    assert set(image["thumbnails"]) == {"card", "strip"}
    for preset, size in {"card": (640, 360), "strip": (400, 100)}.items():
        for accept, found in {"image/webp": "WEBP", "*/*": "PNG"}.items():
            answer = product.stranger.get(f"/i/{image['id']}/{preset}?v=1", headers={"accept": accept})
            with Image.open(io.BytesIO(answer.content)) as shown:
                assert (shown.format, shown.size) == (found, size)
    assert_problem(product.stranger.get(f"/i/{image['id']}/thumb"), 404, "not_found")


@pytest.mark.parametrize(
    ("data", "status", "code"),
    [
        (samples.webp(), 415, "image.unsupported_format"),
        (samples.jpeg(1001, 1000), 422, "image.too_many_pixels"),
        (samples.apng(frames=2), 422, "image.too_many_frames"),
        (samples.jpeg() + bytes(200_000), 413, "image.too_large"),
    ],
    ids=["format", "pixels", "frames", "bytes"],
)
def test_a_kind_of_ones_own_refuses_what_it_says(product: Product, data: bytes, status: int, code: str) -> None:
    answer = product.client.post(IMAGES, files={"file": ("a", data)}, data={"kind": "product"})
    assert_problem(answer, status, code)
    assert product.client.post(IMAGES, content=data).status_code == 201  # as an `image` it may come


def test_anonymous_uploads_can_be_switched_off(embedded_server: Server, tmp_path: Path) -> None:
    environment = {"TINTYPE_DATABASE_URL": fresh_database(embedded_server), "TINTYPE_ANONYMOUS_UPLOADS": "off"}
    with start_product(tmp_path / "data", environment=environment) as product:
        refused = product.stranger.post(IMAGES, content=samples.jpeg(seed=144))
        assert_problem(refused, 401, "auth.required")
        assert refused.headers["www-authenticate"] == "Bearer"
        image = product.settled(product.upload(samples.jpeg(seed=144)))
        assert product.stranger.get(image["url"]).status_code == 200
