"""A disk that is full (I11): nothing is acknowledged, nothing is left, what is there is served and can be deleted."""

import os
import shutil
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import httpx
import psycopg
import pytest

import samples
from disks import MiB, full, small_disk
from killing import pids
from product import Product, eventually, start_product

pytestmark = pytest.mark.root  # to mount a file system of a few megabytes

ONE_OF_EACH: Final = ("--api-processes", "1", "--workers", "1", "--renderers", "1")
RECOVERED_SECONDS: Final = 10.0
RESERVE: Final = 64 * MiB
"""`upload.reserve` of the defaults."""


def free(disk: Path) -> int:
    return shutil.disk_usage(disk).free


def upload(product: Product, seed: int) -> httpx.Response:
    return product.client.post("/api/v1/images", files={"file": ("photo.jpg", samples.jpeg(1600, 1200, seed=seed))})


def served(product: Product, image: dict[str, Any]) -> list[int]:
    """Return the statuses of everything that was there before."""
    urls = (image["url"], *image["thumbnails"].values(), f"/api/v1/images/{image['id']}")
    return [product.stranger.get(url).status_code for url in urls]


def takes_uploads(product: Product) -> bool:
    """Return whether an upload is taken, and processed, soon."""
    deadline = time.monotonic() + RECOVERED_SECONDS
    while time.monotonic() < deadline:
        answer = upload(product, 99)
        if answer.status_code == 201:
            return bool(product.settled(answer.json())["state"] == "ready")
        time.sleep(0.1)
    return False


def kept(product: Product, disk: Path) -> tuple[Any, ...]:
    """Return everything that an upload could leave."""
    rows = product.query(
        "SELECT (SELECT count(*) FROM images), (SELECT count(*) FROM blobs), (SELECT count(*) FROM procrastinate_jobs)"
    )
    return rows, sorted(str(path) for path in (disk / "blobs").rglob("*") if path.is_file())


def test_when_the_disk_of_the_blobs_is_full_uploads_are_refused_and_everything_else_goes_on(
    passable_tmp_path: Path,
) -> None:
    with small_disk(passable_tmp_path, 3 * MiB) as disk:
        environment = {"TINTYPE_BLOBS_URL": f"file://{disk}/blobs"}
        with start_product(passable_tmp_path / "data", *ONE_OF_EACH, environment=environment) as product:
            images = [product.settled(product.upload(samples.jpeg(seed=seed))) for seed in range(2)]
            before = kept(product, disk)
            with full(disk):
                for seed in range(10, 15):
                    answer = upload(product, seed)
                    assert (answer.status_code, answer.json()["code"]) == (507, "storage.full")
                assert kept(product, disk) == before
                assert all(served(product, image) == [200] * 5 for image in images)
                assert product.stranger.get(f"/i/{images[0]['id']}/large.jpg").status_code == 503
                assert product.client.delete(f"/api/v1/images/{images[0]['id']}?purge=true").status_code == 204
                assert served(product, images[0]) == [410] * 5
                assert free(disk) > 0
            assert takes_uploads(product)
            assert served(product, images[1]) == [200] * 5


def test_uploads_leave_the_database_the_room_that_its_log_needs(passable_tmp_path: Path) -> None:
    with small_disk(passable_tmp_path, 200 * MiB) as disk:
        (disk / "data").mkdir()
        with start_product(disk / "data", *ONE_OF_EACH) as product:
            (disk / "others").write_bytes(bytes(free(disk) - RESERVE - 10 * MiB))
            answers = list(until_refused(product, uploads=10))
            assert [answer.status_code for answer in answers[:-1]] == [201] * (len(answers) - 1)
            assert answers[-1].json()["code"] == "storage.full"
            assert free(disk) > RESERVE * 3 / 4
            write_log(product, segments=3)
            for answer in answers[:-1]:
                assert product.client.delete(f"/api/v1/images/{answer.json()['id']}?purge=true").status_code == 204
            (disk / "others").unlink()
            assert takes_uploads(product)


def until_refused(product: Product, *, uploads: int) -> Iterator[httpx.Response]:
    """Upload files of some 4 MB and give the answers up to the first that is no 201."""
    for seed in range(uploads):
        large = samples.jpeg(quality=100, image=samples.noise(1800, 1500, seed=seed))
        answer = product.client.post("/api/v1/images", content=large)
        yield answer
        if answer.status_code != 201:
            return


def write_log(product: Product, *, segments: int) -> None:
    """Have the database begin so many new files of its log."""
    for _ in range(segments):
        product.query("SELECT pg_switch_wal()")
        product.query("UPDATE images SET updated_at = now()")


def test_when_the_disk_of_everything_is_full_pictures_are_served_and_nothing_acknowledged_is_lost(
    passable_tmp_path: Path,
) -> None:
    """The database ends, because it cannot extend its log; and new processes of ours can start all the same."""
    with small_disk(passable_tmp_path, 200 * MiB) as disk:
        (disk / "data").mkdir()
        with start_product(disk / "data", *ONE_OF_EACH) as product:
            images = [product.settled(product.upload(samples.jpeg(seed=seed))) for seed in range(4)]
            # The first purge of all gives an index its first page, which a full disk has not.
            assert product.client.delete(f"/api/v1/images/{images[3]['id']}?purge=true").status_code == 204
            with full(disk):
                answer = upload(product, 10)
                assert (answer.status_code, answer.json()["code"]) == (507, "storage.full")
                os.kill(pids(product, "api process")[0], signal.SIGKILL)
                assert eventually(lambda: is_served(product, images[0]), within=RECOVERED_SECONDS)
                assert product.client.delete(f"/api/v1/images/{images[2]['id']}?purge=true").status_code == 204
                assert served(product, images[1]) == [200] * 5
                with pytest.raises(psycopg.OperationalError):
                    write_log(product, segments=20)
                assert upload(product, 11).status_code in {503, 507}
                assert is_served(product, images[1])
            assert takes_uploads(product)
            assert served(product, images[0]) == served(product, images[1]) == [200] * 5
            assert served(product, images[2]) == [410] * 5


def is_served(product: Product, image: dict[str, Any]) -> bool:
    try:
        return product.stranger.get(image["url"]).status_code == 200
    except httpx.TransportError:
        return False
