"""A purge is final: everywhere within a second, for every file, whatever runs at the same time.

Two API processes serve, each with a memory of its own.
"""

import http.client
import re
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import Any, Final
from urllib.parse import urlsplit

import pytest

import samples
from postgres import passable_directory
from product import Product, eventually, start_product
from refusals import assert_problem
from tenants import another_tenant

IMAGES: Final = "/api/v1/images"
FINAL_SECONDS: Final = 1.0
PROCESSES: Final = 2
CONNECTIONS: Final = 16
"""The kernel gives each to one of the processes: that all went to one happens once in 32,768 runs."""
RACES: Final = 60


@pytest.fixture(scope="module")
def product() -> Iterator[Product]:
    arguments = ("--api-processes", str(PROCESSES))
    with passable_directory() as directory, start_product(directory / "data", *arguments) as running:
        yield running


def delete(product: Product, image: dict[str, Any]) -> int:
    return product.client.delete(f"{IMAGES}/{image['id']}", params={"purge": "true"}).status_code


def addresses(image: dict[str, Any]) -> list[str]:
    """Return the path of everything that an image is served as."""
    names = [
        *("original", "original.jpg", "original.jpg?v=1"),
        *(f"{preset}{end}" for preset in ("thumb", "gallery", "medium", "large") for end in ("", ".jpg?v=1", ".webp")),
    ]
    resource = f"{IMAGES}/{image['id']}"
    return [resource, f"{resource}/variants", f"{resource}?size=thumb", *(f"/i/{image['id']}/{name}" for name in names)]


def files_of(product: Product, image: dict[str, Any]) -> set[str]:
    return {name for name in product.files("blobs") if image["sha256"] in name}


def drained(product: Product) -> bool:
    return product.query("SELECT count(*) FROM procrastinate_jobs WHERE status IN ('todo', 'doing')") == [(0,)]


@contextmanager
def connections(product: Product) -> Iterator[list[http.client.HTTPConnection]]:
    """Give connections that stay open, some to each API process."""
    port = urlsplit(product.base_url).port
    with ExitStack() as stack:
        opened = [http.client.HTTPConnection("127.0.0.1", port, timeout=30) for _ in range(CONNECTIONS)]
        for connection in opened:
            stack.callback(connection.close)
        yield opened


def ask(connection: http.client.HTTPConnection, path: str) -> tuple[int, bytes]:
    connection.request("GET", path)
    answer = connection.getresponse()
    return answer.status, answer.read()


# Who may


def test_the_api_key_deletes_any_image_of_its_tenant(product: Product) -> None:
    for anonymous in (False, True):
        image = product.upload(samples.jpeg(seed=100), anonymous=anonymous)
        answer = product.client.delete(f"{IMAGES}/{image['id']}?purge=true")
        assert (answer.status_code, answer.content) == (204, b"")
        assert product.client.get(f"{IMAGES}/{image['id']}").status_code == 410


def test_the_delete_token_deletes_its_image(product: Product) -> None:
    image = product.upload(samples.jpeg(seed=101), anonymous=True, visibility="private")
    headers = {"upload-token": image["delete_token"]}
    assert product.stranger.delete(f"{IMAGES}/{image['id']}?purge=true", headers=headers).status_code == 204
    assert product.stranger.get(image["url"]).status_code == 410


@pytest.mark.parametrize("purge", ["true", "false"])
def test_nobody_else_deletes_it_and_nothing_changes(product: Product, purge: str) -> None:
    image = product.upload(samples.jpeg(seed=102), anonymous=True)
    other = product.upload(samples.jpeg(seed=102), anonymous=True, visibility="private")
    path, token = f"{IMAGES}/{image['id']}?purge={purge}", image["delete_token"]
    flipped = token[:-1] + ("A" if token[-1] != "A" else "B")
    for wrong in (flipped, other["delete_token"]):
        assert_problem(product.stranger.delete(path, headers={"upload-token": wrong}), 403, "auth.forbidden")
    for none in ({}, {"upload-token": "nonsense"}, {"upload-token": other["read_token"]}, {"cookie": f"token={token}"}):
        assert_problem(product.stranger.delete(path, headers=none), 401, "auth.required")
    assert_problem(product.stranger.delete(f"{path}&token={token}&upload-token={token}"), 401, "auth.required")
    with another_tenant(product) as theirs:
        assert_problem(theirs.delete(path), 403, "auth.forbidden")
        assert_problem(theirs.delete(f"{IMAGES}/{other['id']}?purge={purge}"), 404, "not_found")
    assert_problem(product.stranger.delete(f"{IMAGES}/{other['id']}?purge={purge}"), 404, "not_found")
    for each in (image, other):
        assert product.settled(each)["state"] == "ready"
        assert product.client.get(each["url"]).status_code == 200


# What is left


def test_everything_is_gone_within_a_second_from_processes_that_remembered_it(product: Product) -> None:
    image = product.settled(product.upload(samples.jpeg(seed=103)))
    paths = addresses(image)
    with connections(product) as opened:
        for connection in opened:
            assert {ask(connection, path)[0] for path in paths for _ in range(2)} <= {200, 302}
            metrics = ask(connection, "/metrics")[1]
        assert len(set(re.findall(rb'resident_memory_bytes\{pid="(\d+)",role="api"', metrics))) == PROCESSES
        assert delete(product, image) == 204
        deleted = time.monotonic()
        assert eventually(
            lambda: all(ask(connection, path)[0] == 410 for connection in opened for path in paths[:4]),
            within=FINAL_SECONDS,
        )
        assert time.monotonic() - deleted < FINAL_SECONDS
        for connection in opened:
            assert {ask(connection, path)[0] for path in paths} == {410}


def test_what_is_gone_says_so_in_a_problem_that_caches_keep_for_seconds(product: Product) -> None:
    image = product.upload(samples.jpeg(seed=104))
    delete(product, image)
    for path in addresses(image):
        answer = product.stranger.get(path)
        assert_problem(answer, 410, "image.gone")
        assert answer.headers["cache-control"] in {"no-store", "public, max-age=5"}
    assert_problem(product.client.delete(f"{IMAGES}/{image['id']}"), 410, "image.gone")


def test_every_file_is_gone_from_the_disk(product: Product) -> None:
    image = product.settled(product.upload(samples.jpeg(3000, 2000, seed=105)))
    for name in ("large.jpg", "large.webp", "thumb.png", "gallery.png"):
        assert product.stranger.get(f"/i/{image['id']}/{name}").status_code == 200
    assert len(files_of(product, image)) == 1 + 6 + 4
    delete(product, image)
    assert files_of(product, image) == set()


def test_the_row_is_a_stub_without_a_word_a_hash_or_a_token(product: Product) -> None:
    image = product.upload(samples.jpeg(seed=106), anonymous=True, visibility="private", title="T", alt="A", tags="x")
    product.settled(image)
    delete(product, image)
    rows = product.query(
        """SELECT title, alt, tags, sha256, source_sha256, width, height, size, thumbhash, dominant_color,
                  write_token_hash, read_token_hash, state, purged_at IS NOT NULL
           FROM images WHERE purged_at IS NOT NULL ORDER BY purged_at DESC LIMIT 1"""
    )
    assert rows == [(None, None, [], b"", b"", 0, 0, 0, None, None, None, None, "purged", True)]
    sha256 = bytes.fromhex(image["sha256"])
    assert product.query("SELECT 1 FROM blobs WHERE sha256 = %s", sha256) == []
    assert product.query("SELECT 1 FROM blob_refs WHERE sha256 = %s", sha256) == []
    assert product.query("SELECT 1 FROM variants WHERE sha256 = %s", sha256) == []


def test_bytes_that_another_image_uses_stay_until_that_one_goes(product: Product) -> None:
    data = samples.jpeg(seed=107)
    first, second = product.upload(data), product.upload(data, anonymous=True)
    product.settled(first)
    product.settled(second)
    assert delete(product, first) == 204
    assert product.stranger.get(first["url"]).status_code == 410
    assert product.stranger.get(second["url"]).content == data
    assert product.stranger.get(second["thumbnails"]["thumb"]).status_code == 200
    assert delete(product, second) == 204
    assert files_of(product, second) == set()


# What runs at the same time


def test_images_that_share_their_bytes_may_all_be_deleted_at_once(product: Product) -> None:
    for trial in range(6):
        images = [product.upload(samples.jpeg(64, 64, seed=200 + trial), title=str(each)) for each in range(6)]
        with ThreadPoolExecutor(len(images)) as pool:
            assert set(pool.map(lambda image: delete(product, image), images)) == {204}
        assert eventually(lambda: drained(product), within=15)
        assert files_of(product, images[0]) == set(), trial


def test_one_of_many_deletes_of_the_same_image_wins(product: Product) -> None:
    image = product.upload(samples.jpeg(seed=108))
    with ThreadPoolExecutor(8) as pool:
        statuses = sorted(pool.map(lambda _: delete(product, image), range(8)))
    assert statuses == [204, *[410] * 7]


def has_no_files(product: Product, image: dict[str, Any]) -> bool:
    """Return whether the store holds nothing of the image."""
    return not files_of(product, image)


def test_a_job_that_comes_late_brings_nothing_back(product: Product) -> None:
    images = []
    for seed in range(300, 320):
        images.append(product.upload(samples.jpeg(1600, 1200, seed=seed)))
        if seed % 2:
            time.sleep(0.02)  # some jobs are under way by now
        assert delete(product, images[-1]) == 204
    assert eventually(lambda: drained(product), within=40)
    for image in images:
        assert files_of(product, image) == set()
        assert product.client.get(f"{IMAGES}/{image['id']}").status_code == 410
    assert product.query("SELECT count(*) FROM procrastinate_jobs WHERE status = 'failed'") == [(0,)]


def test_a_request_for_a_variant_during_the_delete_brings_nothing_back(product: Product) -> None:
    for seed in range(330, 335):
        image = product.settled(product.upload(samples.jpeg(1600, 1200, seed=seed)))
        with ThreadPoolExecutor(4) as pool:
            asked = [
                pool.submit(product.stranger.get, f"/i/{image['id']}/{name}")
                for name in ("large.jpg", "large.webp", "thumb.png")
            ]
            time.sleep(0.03)
            assert delete(product, image) == 204
            # 404: chosen before the delete, and opened after it.
            assert {answer.result().status_code for answer in asked} <= {200, 404, 410}
        assert eventually(partial(has_no_files, product, image))


def test_an_upload_that_races_with_the_delete_of_its_bytes_is_never_lost(product: Product) -> None:
    data = samples.jpeg(64, 64, seed=109)

    def upload_and_delete(_: int) -> dict[str, Any]:
        image = product.upload(data)
        for _ in range(3):
            served = product.stranger.get(image["url"])
            assert (served.status_code, served.content) == (200, data)
        assert delete(product, image) == 204
        assert eventually(
            lambda: product.stranger.get(image["url"]).status_code == 410
        )  # the other process hears of it
        return image

    with ThreadPoolExecutor(4) as pool:
        images = list(pool.map(upload_and_delete, range(RACES)))
    assert eventually(lambda: drained(product), within=40)
    assert files_of(product, images[0]) == set()
