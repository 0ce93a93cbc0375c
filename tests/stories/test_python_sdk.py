"""The Python client and its command against the real server: what a new user does on the first day."""

import asyncio
import hashlib
import io
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Literal

import httpx
import pytest

import samples
import tintype_client
from product import Product
from tintype_client import AsyncTintype, Progress, Tintype

JPEG = samples.jpeg(seed=7)


@pytest.fixture(scope="module")
def client(product: Product) -> Iterator[Tintype]:
    """Give a client with the API key."""
    with Tintype(product.base_url, product.api_key) as made:
        yield made


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    """Give a file."""
    path = tmp_path / "photo.jpg"
    path.write_bytes(JPEG)
    return path


# Uploads


def test_a_file_becomes_an_image_with_its_sizes_and_what_was_said_of_it(client: Tintype, photo: Path) -> None:
    told: list[Progress] = []
    image = client.upload(
        photo,
        title="Lisbon",
        alt="A tram",
        tags=["travel", "tram"],
        visibility="unlisted",
        attach_to=("product", "4711"),
        expires_in=86_400,
        on_progress=told.append,
    )
    assert image.ready
    assert (image.title, image.alt, image.tags, image.visibility) == (
        "Lisbon",
        "A tram",
        ("travel", "tram"),
        "unlisted",
    )
    assert image.attached_to == ("product", "4711")
    assert image.expires_at is not None
    assert image.expires_at > datetime.now(UTC)
    assert image.source_sha256 == hashlib.sha256(JPEG).hexdigest()
    assert httpx.get(image.thumbnails["thumb"]).status_code == 200
    assert (told[0].sent, told[-1]) == (0, Progress(len(JPEG), len(JPEG), "done"))


def test_bytes_open_files_and_pipes_are_uploaded_like_paths(client: Tintype, photo: Path) -> None:
    digest = hashlib.sha256(JPEG).hexdigest()
    with photo.open("rb") as opened, subprocess.Popen(["cat", photo], stdout=subprocess.PIPE) as cat:
        assert cat.stdout is not None
        uploaded = [client.upload(each) for each in (JPEG, opened, io.BytesIO(JPEG), cat.stdout, str(photo))]
    assert {image.source_sha256 for image in uploaded} == {digest}


def test_the_same_key_is_the_same_image(client: Tintype) -> None:
    first, again = (client.upload(JPEG, idempotency_key="python-order-4711") for _ in range(2))
    assert first.id == again.id
    with pytest.raises(tintype_client.IdempotencyMismatch):
        client.upload(samples.jpeg(seed=8), idempotency_key="python-order-4711")


@pytest.mark.parametrize("method", ["direct", "multipart"])
def test_what_nobody_uploaded_is_deleted_by_the_token_that_came_with_it(
    product: Product, method: Literal["direct", "multipart"]
) -> None:
    with Tintype(product.base_url, "") as nobody:
        image = nobody.upload(JPEG, visibility="private", method=method)
        assert image.ready
        assert image.read_token is not None
        nobody.delete(image)
        with pytest.raises(tintype_client.NotFound):
            nobody.get(image.id)
        assert nobody.restore(image).ready


def test_refusals_are_exceptions_of_their_own(client: Tintype, product: Product) -> None:
    with pytest.raises(tintype_client.ImageMalformed) as malformed:
        client.upload(JPEG[: len(JPEG) // 2])
    assert malformed.value.code == "image.malformed"
    assert malformed.value.request_id
    with pytest.raises(tintype_client.UnsupportedFormat):
        client.upload(b"no image at all")
    with pytest.raises(tintype_client.InvalidRequest, match="kind: There is no kind"):
        client.upload(JPEG, kind="nothing")
    with pytest.raises(tintype_client.InvalidRequest):
        client.upload(b"")
    with Tintype(product.base_url, "ttk_wrong") as wrong, pytest.raises(tintype_client.AuthenticationError):
        wrong.upload(JPEG)


@pytest.mark.parametrize("method", ["put", "multipart", "tus"])
def test_a_link_takes_one_file_from_somebody_without_a_key(
    client: Tintype, product: Product, photo: Path, method: Literal["put", "multipart", "tus"]
) -> None:
    link = client.create_upload(len(JPEG), method=method, content_type="image/jpeg", title="By link", filename="a.jpg")
    with Tintype(product.base_url, "") as somebody:
        image = somebody.upload_to(link, photo)
    assert (image.id, image.title, image.ready) == (link.image_id, "By link", True)
    assert client.complete_upload(link).ready, "it may be said again"


def test_a_link_for_a_browser_is_completed_by_who_reserved_it(client: Tintype) -> None:
    digest = hashlib.sha256(JPEG).hexdigest()
    link = client.create_upload(len(JPEG), sha256=digest, visibility="private")
    assert httpx.request(link.http_method, link.url, headers=link.headers, content=JPEG).is_success
    image = client.complete_upload(link)
    assert (image.state, image.visibility, image.source_sha256) == ("ready", "private", digest)


def test_a_link_that_was_given_up_takes_nothing(client: Tintype) -> None:
    link = client.create_upload(len(JPEG))
    client.abort_upload(link)
    with pytest.raises(tintype_client.UploadExpired):
        client.upload_to(link, JPEG)
    with pytest.raises(tintype_client.UploadExpired):
        client.complete_upload(link)


def test_what_is_found_to_be_no_image_after_it_arrived_is_raised_with_its_reason(client: Tintype) -> None:
    with pytest.raises(tintype_client.ImageRejected) as rejected:
        client.upload(JPEG[: len(JPEG) // 2], method="put")
    assert rejected.value.reason == "image.malformed"


# Everything else


def test_images_are_changed_replaced_listed_deleted_and_brought_back(client: Tintype) -> None:
    image = client.upload(JPEG, tags=["of-this-test"])
    until = datetime.now(UTC) + timedelta(days=1)
    changed = client.update(image, title="New", expires_at=until, attach_to="album:1", if_match=client.get(image).etag)
    assert (changed.title, changed.tags, changed.attached_to) == ("New", ("of-this-test",), ("album", "1"))
    with pytest.raises(tintype_client.PreconditionFailed):
        client.update(image, title="Newer", if_match='"1-1"')
    replaced = client.replace(image, samples.png(seed=9))
    assert (replaced.version, replaced.format, replaced.state) == (2, "png", "ready")
    client.delete(image)
    assert image.id in [each.id for each in client.list(state="trashed")]
    assert client.restore(image).ready
    client.delete(image, purge=True)
    with pytest.raises(tintype_client.Gone):
        client.get(image)


def test_a_list_goes_through_all_pages(client: Tintype) -> None:
    made = [
        client.upload(samples.jpeg(16, 16, seed=seed), attach_to="python-page:1", wait=False).id for seed in range(5)
    ]
    listed = [image.id for image in client.list(page_size=2, attached_to="python-page:1")]
    assert listed == made[::-1]


def test_a_signed_url_opens_a_private_image(client: Tintype) -> None:
    image = client.upload(JPEG, visibility="private")
    assert httpx.get(image.url).status_code == 404
    signed = client.signed_url(image, "thumb", format="webp", expires_in=600)
    answer = httpx.get(signed.url)
    assert (answer.status_code, answer.headers["content-type"]) == (200, "image/webp")
    assert signed.expires_at > datetime.now(UTC)
    assert {variant.state for variant in client.variants(image) if variant.preset == "thumb"} == {"ready"}


def test_the_client_for_asyncio_does_the_same_beside_other_tasks(product: Product, photo: Path) -> None:
    async def story() -> None:
        async with AsyncTintype(product.base_url, product.api_key) as client:
            uploads = (client.upload(samples.jpeg(seed=seed), attach_to="python-async:1") for seed in range(3))
            images = await asyncio.gather(*uploads, client.upload(photo, attach_to="python-async:1"))
            assert all(image.ready for image in images)
            assert len([image async for image in client.list(attached_to="python-async:1", page_size=3)]) == 4
            assert (await client.update(images[0], title="New")).title == "New"
            await client.delete(images[0], purge=True)
            with pytest.raises(tintype_client.Gone):
                await client.get(images[0])

    asyncio.run(story())


# The command


def command(product: Product, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run `tintype-upload` and return how it ended and what it said."""
    variables = {"TINTYPE_URL": product.base_url, "TINTYPE_API_KEY": product.api_key, **environment}
    return subprocess.run(
        [Path(sys.executable).with_name("tintype-upload"), *arguments],
        env={**os.environ, **variables},
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_command_prints_where_each_image_is_and_ends_with_zero(product: Product, photo: Path) -> None:
    ended = command(
        product, str(photo), str(photo), "--title", "By command", "--state-dir", str(photo.parent / "state")
    )
    assert (ended.returncode, ended.stderr) == (0, "")
    for url in ended.stdout.splitlines():
        assert httpx.get(url).status_code == 200
    assert len(ended.stdout.splitlines()) == 2


def test_the_command_says_which_file_was_refused_and_uploads_the_others(product: Product, photo: Path) -> None:
    bad = photo.with_name("bad.jpg")
    bad.write_text("no image")
    ended = command(product, str(bad), "missing.jpg", str(photo), "--json", "--state-dir", str(photo.parent / "state"))
    told = [json.loads(line) for line in ended.stdout.splitlines()]
    assert ended.returncode == 1
    assert told[0]["error"]["code"] == "image.unsupported_format"
    assert "No such file" in told[1]["error"]["detail"]
    assert told[2]["image"]["state"] == "ready"
    assert f"{bad}: " in ended.stderr


@pytest.mark.parametrize(
    ("arguments", "environment", "status"),
    [
        (["x.jpg"], {"TINTYPE_URL": ""}, 2),
        (["x.jpg", "--attach-to", "nothing"], {}, 2),
        (["x.jpg", "--visibility", "secret"], {}, 2),
    ],
)
def test_a_command_that_makes_no_sense_says_so(
    product: Product, arguments: list[str], environment: dict[str, str], status: int
) -> None:
    ended = command(product, *arguments, **environment)
    assert ended.returncode == status
    assert "usage:" in ended.stderr
