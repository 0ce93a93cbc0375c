"""A disk that fails or is slow (I11, I12): refusals in bounded time, nothing is left, everything else goes on.

strace makes the system calls of the API process fail or wait; `test_disk.py` fills the disk.
"""

import hashlib
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

import httpx
import pytest

import samples
from injecting import injected
from killing import pids
from postgres import passable_directory
from product import Product, eventually, start_product
from refusals import assert_problem
from sabotage import API, sabotaged
from soundness import assert_sound

pytestmark = [pytest.mark.strace, pytest.mark.root]  # to trace what another user's process may be

FLUSHES: Final = "fsync,fdatasync"
EVERY_FAILURE: Final = "error=EIO"
ONE_OF_EACH: Final = ("--api-processes", "1", "--workers", "1", "--renderers", "1")
RECOVERED_SECONDS: Final = 10.0
SLOW_SECONDS: Final = 3.0
WRITERS: Final = 16
"""Threads that write to the store."""

PATIENT_SECONDS: Final = 2.0
"""How long whatever does not write may take beside writers that hang, on a busy machine that is traced."""


@pytest.fixture(scope="module")
def product() -> Iterator[Product]:
    with passable_directory() as directory, start_product(directory / "data", *ONE_OF_EACH) as running:
        yield running
        assert_sound(running)


def kept(product: Product) -> tuple[Any, ...]:
    """Return everything that an upload could leave."""
    rows = product.query(
        "SELECT (SELECT count(*) FROM images), (SELECT count(*) FROM blobs), (SELECT count(*) FROM blob_refs)"
    )
    return rows, product.files("blobs", "staging")


def upload(product: Product, data: bytes) -> httpx.Response:
    return product.client.post("/api/v1/images", content=data)


def served(product: Product, image: dict[str, Any]) -> set[int]:
    paths = [image["url"], *image["thumbnails"].values(), f"/api/v1/images/{image['id']}"]
    return {product.stranger.get(path).status_code for path in paths}


def test_a_disk_that_cannot_flush_refuses_uploads_and_nothing_of_them_is_left(product: Product) -> None:
    images = [product.settled(product.upload(samples.jpeg(seed=seed))) for seed in range(2)]
    data = samples.jpeg(1600, 1200, seed=10)
    before = kept(product)
    with injected(pids(product, "api process"), FLUSHES, EVERY_FAILURE):
        for _ in range(3):
            answer = upload(product, data)
            problem = assert_problem(answer, 503, "unavailable")
            assert "retry-after" in answer.headers
            assert "Nothing was kept" in problem["detail"]
        assert kept(product) == before
        assert served(product, images[0]) == {200}
        assert product.client.delete(f"/api/v1/images/{images[1]['id']}?purge=true").status_code == 204
        assert served(product, images[1]) == {410}
    assert eventually(lambda: upload(product, data).status_code == 201, within=RECOVERED_SECONDS)
    again = product.settled(product.upload(data))
    assert again["state"] == "ready"
    assert hashlib.sha256(product.stranger.get(again["url"]).content).hexdigest() == again["sha256"]
    assert eventually(lambda: not [name for name in product.files("blobs") if images[1]["sha256"] in name], within=20)


def test_a_flush_that_failed_once_is_not_taken_for_done_the_next_time(product: Product) -> None:
    """The kernel reports a failed write-back once and marks the pages clean: the same file flushed again would pass."""
    data = samples.jpeg(1600, 1200, seed=11)
    digest = product.settled(product.upload(data))["sha256"]
    (stored,) = (product.data / name for name in product.files("blobs") if name.endswith(digest))
    inode = stored.stat().st_ino
    stored.unlink()
    with injected(pids(product, "api process"), FLUSHES, f"{EVERY_FAILURE}:when=1"):
        first = upload(product, data)
        assert first.status_code == 503
        failed = [name for name in product.files("blobs") if name.endswith(digest)]
        assert failed == []  # what could not be flushed has no name
    second = upload(product, data)
    assert second.status_code == 201
    assert stored.read_bytes() == data
    assert stored.stat().st_ino != inode or stored.stat().st_nlink == 1


def test_a_disk_that_is_slow_to_flush_holds_up_uploads_and_nobody_else(product: Product) -> None:
    image = product.settled(product.upload(samples.jpeg(seed=20)))
    others = [product.settled(product.upload(samples.jpeg(seed=seed))) for seed in range(21, 24)]
    photos = [samples.jpeg(320, 240, seed=seed) for seed in range(30, 30 + WRITERS + 4)]
    slow = injected(pids(product, "api process"), FLUSHES, f"delay_enter={SLOW_SECONDS * 1e6:.0f}")
    with ThreadPoolExecutor(len(photos)) as pool, slow:
        uploads = [pool.submit(upload_alone, product, data) for data in photos]
        time.sleep(SLOW_SECONDS / 3)  # every writer hangs in a flush now
        for other in others:  # none of which is in any memory
            assert_quick(product, other["url"])
            assert_quick(product, f"/i/{other['id']}/medium.webp?v=1")
        assert_quick(product, f"/api/v1/images/{image['id']}")
        assert_quick(product, "/readyz")
        assert not any(one.done() for one in uploads)
    assert {one.result().status_code for one in uploads} == {201}


def upload_alone(product: Product, data: bytes) -> httpx.Response:
    return product.client.post("/api/v1/images", content=data, timeout=120)


def assert_quick(product: Product, path: str) -> None:
    began = time.monotonic()
    answer = product.client.get(path)
    assert (answer.status_code, time.monotonic() - began < PATIENT_SECONDS) == (200, True), path


def test_a_disk_that_hangs_is_answered_in_bounded_time() -> None:
    code = """
        from tintype.adapters import blobs_local
        from tintype.usecases import purge_image

        blobs_local.WRITE_SECONDS = purge_image.ANSWER_SECONDS = 1.0
    """
    with passable_directory() as directory:
        environment = sabotaged(directory / "code", code, API)
        with start_product(directory / "data", *ONE_OF_EACH, environment=environment) as product:
            before = product.query("SELECT count(*) FROM images")
            gone = product.settled(product.upload(samples.jpeg(seed=41)))
            data = samples.jpeg(seed=40)
            with injected(pids(product, "api process"), FLUSHES, "delay_enter=4000000"):
                began = time.monotonic()
                assert_problem(upload(product, data), 503, "unavailable")
                assert time.monotonic() - began < SLOW_SECONDS
                began = time.monotonic()
                assert product.client.delete(f"/api/v1/images/{gone['id']}?purge=true").status_code == 204
                assert time.monotonic() - began < SLOW_SECONDS
                assert served(product, gone) == {410}
            assert eventually(
                lambda: not [name for name in product.files("blobs") if gone["sha256"] in name], within=20
            )
            assert product.query("SELECT count(*) FROM images WHERE state <> 'purged'") == before
            assert eventually(lambda: upload(product, data).status_code == 201, within=RECOVERED_SECONDS)
            assert_sound(product)


def test_an_original_that_cannot_be_read_is_503_and_what_is_in_memory_goes_on(product: Product) -> None:
    image = product.settled(product.upload(samples.jpeg(1600, 1200, seed=50)))
    thumb = f"/i/{image['id']}/thumb.jpg?v=1"
    for _ in range(3):
        assert product.stranger.get(thumb).status_code == 200
    with injected(pids(product, "api process"), "openat", EVERY_FAILURE):
        assert product.stranger.get(thumb).status_code == 200
        answer = product.stranger.get(f"/i/{image['id']}/large.png")
        assert_problem(answer, 503, "unavailable")
        assert "retry-after" in answer.headers
    assert eventually(lambda: served(product, image) == {200}, within=RECOVERED_SECONDS)
