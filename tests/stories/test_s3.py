"""The product on a real S3 server: everything works as on a disk, and the bucket sends the bytes.

A store that is slow or away costs an answer and nothing else.
"""

import hashlib
import io
import time
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

import samples
from command_line import tintype
from persons import person
from postgres import passable_directory
from product import Product, eventually, start_product
from refusals import assert_problem
from relay import Relay, relay_to
from s3_server import Bucket, S3Server
from swift_account import ACCESS_KEY, SECRET_KEY
from upkeep import UNSCHEDULED, with_upkeep

IMAGES: Final = "/api/v1/images"


@dataclass
class Story:
    """A product, the bucket of its images, and the way that it takes there."""

    product: Product
    bucket: Bucket
    way: Relay
    environment: dict[str, str] = field(repr=False)

    def verify(self) -> Any:  # noqa: ANN401 -- a report is a table of whatever a story counts
        """Return what `verify` counts."""
        return with_upkeep(self.product, lambda upkeep: upkeep.verify(), self.environment)

    def run(self, *arguments: str) -> Any:  # noqa: ANN401 -- a finished process
        """Return how a command ended that is run beside the product."""
        return tintype(*arguments, "--data", str(self.product.data), environment=self.environment)


@pytest.fixture(scope="module")
def story(s3_server: S3Server) -> Iterator[Story]:
    bucket = s3_server.bucket()
    with relay_to("127.0.0.1", urlsplit(s3_server.endpoint).port or 0) as way, passable_directory() as directory:
        url = f"s3://{bucket.name}/images?endpoint=http://127.0.0.1:{way.port}&public_endpoint={s3_server.endpoint}"
        environment = {**UNSCHEDULED, **s3_server.environment, "TINTYPE_BLOBS_URL": url}
        with start_product(directory / "data", "--api-processes", "1", environment=environment) as product:
            yield Story(product, bucket, way, environment)


@pytest.fixture(scope="module")
def image(story: Story) -> dict[str, Any]:
    """Give a public image that is ready."""
    made = story.product.settled(story.product.upload(samples.jpeg(1600, 1200, seed=811)))
    assert made["state"] == "ready"
    return made


def get(story: Story, path: str, *, follow: bool = False, **headers: str) -> httpx.Response:
    given = {name.replace("_", "-"): value for name, value in headers.items()}
    return story.product.stranger.get(path, headers=given, follow_redirects=follow)


def test_an_image_goes_up_is_processed_and_comes_down_from_the_bucket(story: Story, image: dict[str, Any]) -> None:
    assert not story.product.files("blobs")
    assert any("/original/" in key for key in story.bucket.keys("images/"))
    answer = get(story, f"/i/{image['id']}/original.jpg?v=1")
    assert (answer.status_code, answer.content) == (302, b"")
    assert answer.headers["location"].startswith(f"{story.bucket.endpoint}/{story.bucket.name}/images/")
    assert answer.headers["cache-tag"].endswith(image["id"])
    with httpx.Client() as client:
        stored = client.get(answer.headers["location"])
        part = client.get(answer.headers["location"], headers={"range": "bytes=10-19"})
    assert hashlib.sha256(stored.content).hexdigest() == image["sha256"]
    assert stored.headers["content-type"] == "image/jpeg"
    assert stored.headers["content-disposition"] == f'inline; filename="{image["id"]}-original.jpg"'
    assert (part.status_code, part.content) == (206, stored.content[10:20])


def test_a_redirect_is_kept_for_less_long_than_its_signature_holds(story: Story, image: dict[str, Any]) -> None:
    answer = get(story, f"/i/{image['id']}/large.webp?v=1")
    query = parse_qs(urlsplit(answer.headers["location"]).query)
    signed = datetime.strptime(query["X-Amz-Date"][0], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    ends = signed + timedelta(seconds=int(query["X-Amz-Expires"][0]))
    kept = int(answer.headers["cache-control"].removeprefix("public, max-age="))
    assert 0 < kept < (ends - datetime.now(UTC)).total_seconds()
    assert timedelta(minutes=5) <= ends - datetime.now(UTC) <= timedelta(minutes=10)


def test_what_needs_no_bytes_is_answered_here(story: Story, image: dict[str, Any]) -> None:
    path = f"/i/{image['id']}/original.jpg?v=1"
    told = story.product.stranger.head(path)
    assert (told.status_code, told.headers["content-length"]) == (200, str(image["bytes"]))
    assert get(story, path, if_none_match=told.headers["etag"]).status_code == 304
    assert get(story, path, range=f"bytes={image['bytes']}-").status_code == 416
    assert get(story, path, range="bytes=0-9").status_code == 302
    assert get(story, f"/i/{image['id']}/nothing.jpg?v=1").status_code == 404


def test_a_small_picture_that_is_asked_for_again_is_sent_from_memory(story: Story, image: dict[str, Any]) -> None:
    path = f"/i/{image['id']}/thumb.jpg?v=1"
    first, second = get(story, path, follow=True), get(story, path)
    assert (second.status_code, second.content) == (200, first.content)
    assert second.headers["cache-control"] == "public, max-age=31536000, immutable"


def test_a_picture_that_ends_before_a_signature_would_is_sent_by_us(story: Story) -> None:
    made = story.product.settled(story.product.upload(samples.jpeg(seed=812), expires_in="120"))
    answer = get(story, f"/i/{made['id']}/original.jpg?v=1")
    assert answer.status_code == 200
    assert hashlib.sha256(answer.content).hexdigest() == made["sha256"]


def test_a_private_picture_is_led_to_for_its_owner_alone(story: Story) -> None:
    made = story.product.settled(story.product.upload(samples.jpeg(seed=813), visibility="private"))
    path = f"/i/{made['id']}/original.jpg?v=1"
    assert get(story, path).status_code == 404
    led = story.product.client.get(path)
    assert (led.status_code, led.headers["cache-control"]) == (302, "private, no-cache")


def test_a_deleted_image_is_gone_before_anybody_is_led_anywhere_and_so_are_its_bytes(story: Story) -> None:
    made = story.product.settled(story.product.upload(samples.jpeg(seed=814)))
    path = f"/i/{made['id']}/original.jpg?v=1"
    led = get(story, path).headers["location"]
    assert story.product.client.delete(f"{IMAGES}/{made['id']}?purge=true").status_code == 204
    assert_problem(get(story, path), 410, "image.gone")
    assert httpx.get(led).status_code == 404
    assert not [key for key in story.bucket.keys("images/") if made["sha256"] in key]
    assert any(key.startswith("images/journal/purges/") for key in story.bucket.keys("images/journal/"))


def test_people_take_their_pictures_with_them_and_leave_nothing(story: Story) -> None:
    with person(story.product) as ann:
        sent = [samples.jpeg(64, 48, seed=820 + number) for number in range(2)]
        made = [ann.client.post(IMAGES, content=data).json() for data in sent]
        assert ann.client.post("/api/v1/account/export").status_code == 202
        told = "/api/v1/account/export"
        assert eventually(lambda: ann.client.get(told).json()["state"] == "ready", within=30)
        archive = zipfile.ZipFile(io.BytesIO(ann.client.get(f"{told}/file").content))
        assert archive.testzip() is None
        assert {image["sha256"] for image in made} == {
            hashlib.sha256(archive.read(name)).hexdigest() for name in archive.namelist() if name.endswith(".jpg")
        }
        for image in made:
            assert ann.client.delete(f"{IMAGES}/{image['id']}?purge=true").status_code == 204
    for image in made:
        assert not [key for key in story.bucket.keys("images/") if image["sha256"] in key]


@pytest.mark.usefixtures("image")
def test_gc_and_verify_tell_what_is_amiss_in_the_bucket(story: Story) -> None:
    made = story.product.settled(story.product.upload(samples.jpeg(seed=815)))
    assert story.verify()["total"] == 0
    (rotten,) = [key for key in story.bucket.keys("images/") if f"/{made['sha256']}" in key and "/original/" in key]
    stored = story.bucket.s3.get_object(Bucket=story.bucket.name, Key=rotten)["Body"].read()
    story.bucket.s3.put_object(Bucket=story.bucket.name, Key=rotten, Body=stored[:-1] + b"!")
    nobodys = f"{rotten.partition('/original/')[0]}/original/ab/ab/{'ab' * 32}"
    story.bucket.s3.put_object(Bucket=story.bucket.name, Key=nobodys, Body=b"of nobody")
    assert story.verify()["violations"]["I13"] == 1
    story.bucket.s3.put_object(Bucket=story.bucket.name, Key=rotten, Body=stored)
    time.sleep(1)  # Swift's times are whole seconds
    assert "removed: 1" in story.run("gc", "--grace", "0.0001").stdout
    assert nobodys not in story.bucket.keys("images/")
    assert story.verify()["total"] == 0


@pytest.mark.usefixtures("image")
def test_the_doctor_looks_at_the_bucket_and_no_signature_or_secret_is_told_anywhere(story: Story) -> None:
    said = story.run("doctor").stdout
    assert "a durable write and a delete took" in said
    for text in (said, story.product.said, story.product.log.read_text()):
        assert "X-Amz" not in text
        assert f'"{SECRET_KEY}"' not in text
        assert ACCESS_KEY not in text


def test_a_store_that_is_away_is_told_and_nothing_is_lost(story: Story, image: dict[str, Any]) -> None:
    before = story.bucket.keys("images/")
    assert get(story, f"/i/{image['id']}/original.jpg?v=1").status_code == 302
    story.way.away = True
    try:
        began = time.monotonic()
        assert_problem(story.product.client.post(IMAGES, content=samples.jpeg(seed=816)), 503, "unavailable")
        assert_problem(get(story, f"/i/{image['id']}/medium.jpg?v=1"), 503, "unavailable")
        assert story.product.stranger.get("/readyz").json() == {"database": "ok", "blobs": "does not answer"}
        assert "it cannot be reached" in story.run("doctor").stdout
        assert time.monotonic() - began < 40
        assert get(story, f"/i/{image['id']}/original.jpg?v=1").status_code == 302  # known, and led to the bucket
    finally:
        story.way.away = False
    assert story.bucket.keys("images/") == before
    assert story.product.stranger.get("/readyz").status_code == 200
    again = story.product.settled(story.product.upload(samples.jpeg(seed=816)))
    assert again["state"] == "ready"


def test_an_image_that_came_in_before_the_store_went_away_is_ready_when_it_is_back(story: Story) -> None:
    made = story.product.upload(samples.jpeg(1600, 1200, seed=817))
    story.way.away = True
    time.sleep(0.5)
    story.way.away = False
    assert story.product.settled(made)["state"] == "ready"


def test_a_slow_store_slows_nothing_else(story: Story, image: dict[str, Any]) -> None:
    assert get(story, f"/i/{image['id']}/original.jpg?v=1").status_code == 302
    story.way.pause = 0.5
    try:
        assert story.product.upload(samples.jpeg(seed=818))["state"] in {"processing", "ready"}
        began = time.monotonic()
        assert get(story, f"/i/{image['id']}/original.jpg?v=1").status_code == 302
        assert story.product.stranger.get("/healthz").status_code == 200
        assert time.monotonic() - began < 0.5
    finally:
        story.way.pause = 0.0
