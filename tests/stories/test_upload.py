"""An image goes in, by every way that a client may spell it, and comes out as it should."""

import base64
import hashlib
import io
import re
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

import pytest
from PIL import Image

import samples
from product import Product, own_product
from raw_http import connect, form_end, form_type, part, upload_head

IMAGES: Final = "/api/v1/images"
CANARY: Final = b"CANARY-of-the-metadata"

KEYS: Final = frozenset(
    [
        *("id", "state", "state_reason", "kind", "url", "thumbnails", "page_url", "title", "alt", "tags", "visibility"),
        *("version", "format", "width", "height", "frames", "bytes", "sha256", "source_sha256", "deduplicated"),
        *("thumbhash", "dominant_color", "views", "owner", "attached_to", "created_at", "expires_at"),
    ]
)
"""Every key of an image in `docs`; tokens come on top of it, to whom they are due."""

PLANTED: Final = {
    "jpeg": samples.jpeg(gps=True, canary=CANARY, seed=1),
    "png": samples.png(canary=CANARY, seed=1),
    "gif": samples.gif(canary=CANARY),
    "webp": samples.webp(canary=CANARY),
}
"""A file of every format, with metadata wherever it can be."""

CLEAN: Final = {
    "jpeg": samples.jpeg(seed=1),
    "png": samples.png(seed=1),
    "gif": samples.gif(),
    "webp": samples.webp(),
}
"""The same files, never planted with anything."""


@pytest.fixture(scope="module")
def product() -> Iterator[Product]:
    with own_product() as running:
        yield running


def opened(data: bytes) -> Image.Image:
    image = Image.open(io.BytesIO(data))
    image.load()
    return image


def got(product: Product, url: str, **headers: str) -> bytes:
    answer = product.stranger.get(url, headers=headers)
    assert answer.status_code == 200, answer.text
    return answer.content


def blob_files(product: Product, image: dict[str, Any]) -> list[str]:
    return [name for name in product.files("blobs") if "/original/" in name and image["sha256"] in name]


# What is said


def test_the_answer_has_every_key_of_an_image_and_no_other(product: Product) -> None:
    answer = product.client.post(IMAGES, files={"file": ("a.jpg", samples.jpeg(orientation=6))})
    image = answer.json()
    assert answer.status_code == 201
    assert set(image) == KEYS
    assert answer.headers["location"] == f"{product.base_url}{IMAGES}/{image['id']}"
    assert product.client.get(answer.headers["location"]).json()["id"] == image["id"]
    assert re.fullmatch(r"img_[0-9A-Za-z]{22}", image["id"])
    assert image["state"] == "processing"
    assert (image["kind"], image["format"], image["frames"], image["version"]) == ("image", "jpeg", 1, 1)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", image["created_at"])
    for name in ("state_reason", "title", "alt", "thumbhash", "dominant_color", "views", "owner", "attached_to"):
        assert image[name] is None, name
    assert image["tags"] == []


def test_width_and_height_are_those_that_are_seen_in_all_eight_orientations(product: Product) -> None:
    for orientation in range(1, 9):
        image = product.upload(samples.jpeg(640, 480, orientation=orientation))
        assert (image["width"], image["height"]) == (640, 480), orientation


def test_what_is_said_in_a_form_is_kept(product: Product) -> None:
    image = product.upload(
        samples.png(),
        kind="post",
        title="Ein Föhn",
        alt="a hairdryer ✂",
        tags="warm, loud,warm",
        visibility="unlisted",
    )
    shown = product.client.get(f"{IMAGES}/{image['id']}").json()
    for each in (image, shown):
        assert (each["kind"], each["title"], each["alt"]) == ("post", "Ein Föhn", "a hairdryer ✂")
        assert each["tags"] == ["warm", "loud"]
        assert each["visibility"] == "unlisted"


def test_fields_may_come_before_the_file_and_after_it(product: Product) -> None:
    title, file = part("title", b"Here"), part("file", samples.jpeg(), filename="a.jpg")
    for body in (title + file + form_end(), file + title + form_end()):
        with connect(product.base_url) as connection:
            connection.send(upload_head(len(body), content_type=form_type()) + body)
            answer = connection.answer()
        assert answer.status == 201
        assert answer.json()["title"] == "Here"


def test_a_kind_named_after_the_file_still_rules_it(product: Product) -> None:
    animated = samples.gif(frames=3)
    body = part("file", animated, filename="a.gif") + part("kind", b"avatar") + form_end()
    with connect(product.base_url) as connection:
        connection.send(upload_head(len(body), content_type=form_type()) + body)
        answer = connection.answer()
    assert (answer.status, answer.json()["code"]) == (415, "image.unsupported_format")


def test_a_raw_body_is_the_file_and_its_query_the_fields(product: Product) -> None:
    query = {"title": "Größe", "tags": "a,b", "visibility": "unlisted", "kind": "post"}
    answer = product.client.post(IMAGES, content=samples.webp(), params=query, headers={"content-type": "image/webp"})
    image = answer.json()
    assert answer.status_code == 201
    assert (image["title"], image["tags"], image["visibility"]) == ("Größe", ["a", "b"], "unlisted")
    assert (image["kind"], image["format"]) == ("post", "webp")


def test_a_body_in_chunks_of_unknown_length_is_taken(product: Product) -> None:
    data = samples.jpeg(seed=7)
    image = product.client.post(IMAGES, content=iter([data[:5], data[5:9000], data[9000:]])).json()
    assert image["source_sha256"] == hashlib.sha256(data).hexdigest()


@pytest.mark.parametrize(("flag", "visibility"), [("true", "public"), ("false", "unlisted")])
def test_is_public_is_a_short_word_for_visibility(product: Product, flag: str, visibility: str) -> None:
    assert product.upload(samples.jpeg(), is_public=flag)["visibility"] == visibility


def test_nothing_said_is_public(product: Product) -> None:
    assert product.upload(samples.jpeg())["visibility"] == "public"


# Who has what


def test_only_the_same_owner_hears_that_the_bytes_were_there(product: Product) -> None:
    data = samples.jpeg(seed=20)
    assert product.upload(data, anonymous=True)["deduplicated"] is False
    assert product.upload(data, anonymous=True)["deduplicated"] is False
    assert product.upload(data)["deduplicated"] is False
    assert product.upload(data)["deduplicated"] is True
    assert product.upload(data, anonymous=True)["deduplicated"] is False


def test_the_same_bytes_twice_are_one_file_on_the_disk_and_two_images(product: Product) -> None:
    data = samples.jpeg(seed=21)
    first, second = product.upload(data), product.upload(data, anonymous=True)
    assert first["id"] != second["id"]
    assert len(blob_files(product, first)) == 1
    assert got(product, first["url"]) == got(product, second["url"])


def test_only_an_anonymous_upload_has_a_delete_token_and_only_in_its_answer(product: Product) -> None:
    ours, anonymous = product.upload(samples.jpeg()), product.upload(samples.jpeg(), anonymous=True)
    assert set(anonymous) == KEYS | {"delete_token"}
    assert anonymous["delete_token"].startswith("ttw_")
    assert "delete_token" not in ours
    for client in (product.client, product.stranger):
        assert set(client.get(f"{IMAGES}/{anonymous['id']}").json()) == KEYS


def test_only_a_private_anonymous_upload_has_a_read_token(product: Product) -> None:
    private = product.upload(samples.jpeg(), anonymous=True, visibility="private")
    assert set(private) == KEYS | {"delete_token", "read_token"}
    assert private["read_token"].startswith("ttr_")
    assert "read_token" not in product.upload(samples.jpeg(), visibility="private")
    assert "read_token" not in product.upload(samples.jpeg(), anonymous=True, visibility="unlisted")


def test_what_was_sent_is_named_to_the_owner_alone(product: Product) -> None:
    sent = samples.jpeg(gps=True, seed=22)
    image = product.upload(sent)
    assert image["source_sha256"] == hashlib.sha256(sent).hexdigest() != image["sha256"]
    path = f"{IMAGES}/{image['id']}"
    assert product.client.get(path).json()["source_sha256"] == image["source_sha256"]
    assert product.stranger.get(path).json()["source_sha256"] is None
    assert product.upload(sent, anonymous=True)["source_sha256"] is None


# What comes out


@pytest.mark.parametrize("name", PLANTED)
def test_the_original_is_the_file_without_its_metadata_and_otherwise_the_same(product: Product, name: str) -> None:
    image = product.upload(PLANTED[name])
    served = got(product, image["url"])
    assert CANARY not in served
    assert hashlib.sha256(served).hexdigest() == image["sha256"]
    assert len(served) == image["bytes"]
    assert opened(served).tobytes() == opened(CLEAN[name]).tobytes()
    if name != "webp":  # a WebP with metadata is of the extended sort, one without need not be
        assert served.removeprefix(b"GIF87a").removeprefix(b"GIF89a") == CLEAN[name][6 if name == "gif" else 0 :]


@pytest.mark.parametrize("name", PLANTED)
def test_no_byte_that_is_served_tells_where_the_picture_was_taken(product: Product, name: str) -> None:
    image = product.settled(product.upload(PLANTED[name]))
    served = [got(product, image["url"])]
    for preset in ("thumb", "gallery", "medium", "large"):
        for extension, found in {"jpg": "JPEG", "png": "PNG", "webp": "WEBP"}.items():
            data = got(product, f"/i/{image['id']}/{preset}.{extension}")
            assert opened(data).format == found
            served.append(data)
    assert len(served) == 13
    for data in served:
        assert CANARY not in data
        assert not opened(data).getexif().get_ifd(0x8825)


def test_an_image_is_ready_with_thumbnails_in_a_moment(product: Product) -> None:
    seconds = []
    for seed in range(30, 33):
        started = time.monotonic()
        image = product.settled(product.upload(samples.jpeg(2000, 1500, seed=seed)))
        assert image["state"] == "ready"
        assert set(image["thumbnails"]) == {"thumb", "gallery", "medium"}
        for url in image["thumbnails"].values():
            got(product, url)
        seconds.append(time.monotonic() - started)
    assert min(seconds) < 5, seconds  # how soon is what bench/ready.py measures


def test_a_ready_image_has_a_placeholder(product: Product) -> None:
    image = product.settled(product.upload(samples.jpeg(seed=39)))
    assert len(base64.b64decode(image["thumbhash"], validate=True)) in range(5, 26)
    assert re.fullmatch("#[0-9a-f]{6}", image["dominant_color"])


@pytest.mark.parametrize("size", [(640, 480), (300, 900), (40, 30)])
def test_eager_presets_are_exact_squares_whatever_the_picture(product: Product, size: tuple[int, int]) -> None:
    image = product.settled(product.upload(samples.jpeg(*size)))
    for preset, side in {"thumb": 150, "gallery": 300, "medium": 600}.items():
        assert opened(got(product, image["thumbnails"][preset])).size == (side, side)
        assert opened(got(product, image["thumbnails"][preset], accept="image/webp")).format == "WEBP"


def test_a_thumbnail_may_be_asked_for_before_it_was_made(product: Product) -> None:
    image = product.upload(samples.jpeg(3000, 2000, seed=31))
    assert opened(got(product, image["thumbnails"]["medium"])).size == (600, 600)


def test_large_is_made_when_it_is_asked_for(product: Product) -> None:
    image = product.settled(product.upload(samples.jpeg(3000, 1500, orientation=6, seed=32)))
    before = product.files("blobs")
    assert opened(got(product, f"/i/{image['id']}/large.jpg")).size == (2048, 1024)
    assert [name.split("/")[2] for name in product.files("blobs") - before] == ["large"]


def test_twenty_requests_for_a_variant_that_is_not_there_are_one_render(product: Product) -> None:
    images = [product.settled(product.upload(samples.jpeg(800, 600, seed=40 + number))) for number in range(5)]
    before = product.metric("tintype_render_seconds_count")

    def ask(image: dict[str, Any]) -> tuple[str, int, bytes]:
        answer = product.stranger.get(f"/i/{image['id']}/large.webp")
        return image["id"], answer.status_code, answer.content

    with ThreadPoolExecutor(20) as pool:
        answers = set(pool.map(ask, [image for image in images for _ in range(20)]))
    assert len(answers) == len(images)
    assert {status for _, status, _ in answers} == {200}
    assert product.metric("tintype_render_seconds_count") == before + len(images)


def test_a_file_that_only_decoding_shows_to_be_damaged_ends_rejected_and_is_not_served(product: Product) -> None:
    image = product.settled(product.upload(samples.undecodable_png()))
    assert (image["state"], image["state_reason"]) == ("rejected", "image.malformed")
    assert product.stranger.get(image["url"]).status_code == 404


def test_every_field_may_be_as_long_as_it_is_said_to_be_in_any_script(product: Product) -> None:
    fields = {"title": "字" * 500, "alt": "🦊" * 5_000, "tags": ",".join(f"{number:🦊>50}" for number in range(30))}
    answer = product.client.post("/api/v1/images", files={"file": samples.jpeg(seed=19)}, data=fields)
    assert answer.status_code == 201
    image = answer.json()
    assert {**fields, "tags": fields["tags"].split(",")} == {name: image[name] for name in fields}
