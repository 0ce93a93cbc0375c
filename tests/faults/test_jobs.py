"""Jobs that run twice, late, half or in vain (I4, I5), and images that no decoder survives."""

import hashlib
import os
import signal
import struct
from collections.abc import Callable, Iterator
from typing import Any, Final

import pytest
from psycopg.types.json import Jsonb

import samples
from killing import frozen, pids, started
from postgres import passable_directory
from product import Product, eventually, own_product, start_product
from sabotage import WORKER, sabotaged
from tintype.domain.ids import ImageRef

ONE_OF_EACH: Final = ("--api-processes", "1", "--workers", "1", "--renderers", "1")
BRISK: Final = {"TINTYPE_JOBS__RETRY_SECONDS": "0.1"}
"""Five attempts in 4 s instead of 30; the rest is polling."""

TAKEN_OVER_SECONDS: Final = 25.0
"""10 s of silence, a sweep every 5 s, and a slow machine."""


@pytest.fixture(scope="module")
def product() -> Iterator[Product]:
    with own_product() as running:
        yield running


@pytest.fixture(scope="module")
def single() -> Iterator[Product]:
    """Give a product with one worker and one decoder, so that a test knows which process has its job."""
    with passable_directory() as directory, start_product(directory / "data", *ONE_OF_EACH) as running:
        yield running


def number(image: dict[str, Any]) -> int:
    return ImageRef.parse(image["id"]).id


def enqueue(product: Product, image: dict[str, Any], *, version: int = 1) -> None:
    ((tenant,),) = product.query("SELECT tenant FROM images WHERE id = %s", number(image))
    product.query(
        """SELECT procrastinate_defer_jobs_v1(ARRAY[ROW('tintype', 'process_image', 10, NULL, NULL, %s, NULL)
               ::procrastinate_job_to_defer_v1])""",
        Jsonb({"tenant": tenant, "image": number(image), "version": version}),
    )


def jobs(product: Product, image: dict[str, Any]) -> list[tuple[str, int]]:
    """Return status and attempts of the image's jobs."""
    return product.query(
        "SELECT status::text, attempts FROM procrastinate_jobs WHERE (args ->> 'image')::int8 = %s", number(image)
    )


def idle(product: Product, image: dict[str, Any], *, within: float = 10.0) -> bool:
    return eventually(lambda: not jobs(product, image), within=within)


def in_work(product: Product, image: dict[str, Any]) -> bool:
    return eventually(lambda: jobs(product, image) == [("doing", 0)], within=10)


def traces(product: Product, image: dict[str, Any]) -> tuple[Any, ...]:
    """Return everything that is kept of the image's bytes: the row, its variants', and the files with their digests."""
    digest = bytes.fromhex(image["sha256"])
    row = product.query(
        "SELECT state, state_reason, version, thumbhash, dominant_color FROM images WHERE id = %s", number(image)
    )
    variants = product.query(
        "SELECT digest, preset, format, width, height, size FROM variants WHERE sha256 = %s ORDER BY digest", digest
    )
    files = sorted(name for name in product.files("blobs") if image["sha256"] in name)
    return row, variants, [(name, hashlib.sha256((product.data / name).read_bytes()).hexdigest()) for name in files]


def state(product: Product, image: dict[str, Any]) -> str:
    ((found,),) = product.query("SELECT state FROM images WHERE id = %s", number(image))
    return str(found)


# Twice and late


def test_a_job_that_runs_three_times_at_once_and_once_more_later_leaves_the_same_rows_and_files(
    product: Product,
) -> None:
    image = product.upload(samples.jpeg(1600, 1200, seed=1))
    for _ in range(2):
        enqueue(product, image)
    assert product.settled(image)["state"] == "ready"
    assert idle(product, image)
    once = traces(product, image)
    assert len(once[1]) == 6
    product.query("UPDATE images SET state = 'processing' WHERE id = %s", number(image))
    enqueue(product, image)
    assert eventually(lambda: state(product, image) == "ready")
    assert traces(product, image) == once


def test_a_job_of_an_older_version_changes_nothing(single: Product) -> None:
    image = single.settled(single.upload(samples.jpeg(seed=2)))
    single.query("UPDATE images SET state = 'processing', version = 2 WHERE id = %s", number(image))
    enqueue(single, image, version=1)
    assert idle(single, image)
    assert state(single, image) == "processing"
    enqueue(single, image, version=2)
    assert eventually(lambda: state(single, image) == "ready")


def replace(product: Product, image: dict[str, Any]) -> str:
    product.query("UPDATE images SET version = 2 WHERE id = %s", number(image))
    return "processing"


def trash(product: Product, image: dict[str, Any]) -> str:
    product.query(
        "UPDATE images SET state = 'trashed', trashed_at = now(), trashed_from = state WHERE id = %s", number(image)
    )
    return "trashed"


def quarantine(product: Product, image: dict[str, Any]) -> str:
    product.query("UPDATE images SET state = 'quarantined' WHERE id = %s", number(image))
    return "quarantined"


def purge(product: Product, image: dict[str, Any]) -> str:
    assert product.client.delete(f"/api/v1/images/{image['id']}?purge=true").status_code == 204
    return "purged"


CHANGES: Final = (replace, trash, quarantine, purge)


@pytest.mark.parametrize("change", CHANGES)
def test_what_happened_to_an_image_while_its_job_was_under_way_wins(
    single: Product, change: Callable[[Product, dict[str, Any]], str]
) -> None:
    with frozen(*started(single, "renderer")):
        image = single.upload(samples.jpeg(seed=CHANGES.index(change) + 10))
        assert in_work(single, image)
        expected = change(single, image)
    assert idle(single, image)
    assert state(single, image) == expected
    if change is purge:
        assert eventually(lambda: traces(single, image)[1:] == ([], []))
        assert single.client.get(f"/api/v1/images/{image['id']}").status_code == 410


# Half


def test_the_job_of_a_killed_worker_is_taken_over_and_that_counts_as_an_attempt(single: Product) -> None:
    with frozen(*started(single, "renderer")):
        image = single.upload(samples.jpeg(seed=30))
        assert in_work(single, image)
        os.kill(pids(single, "worker")[0], signal.SIGKILL)
    neighbour = single.upload(samples.jpeg(seed=31))
    assert single.settled(neighbour)["state"] == "ready"
    assert jobs(single, image) == [("doing", 0)]
    assert eventually(lambda: [attempts for _, attempts in jobs(single, image)] == [1], within=TAKEN_OVER_SECONDS)
    assert single.settled(image)["state"] == "ready"
    assert idle(single, image)


def test_a_job_whose_end_could_not_be_recorded_is_found_by_the_worker_itself() -> None:
    code = """
        from procrastinate.exceptions import ConnectorException
        from procrastinate.manager import JobManager
        finish_job, failures = JobManager.finish_job, [1]

        async def fail_once(self, *args, **kwargs):
            if failures:
                failures.pop()
                raise ConnectorException
            await finish_job(self, *args, **kwargs)

        JobManager.finish_job = fail_once
    """
    with passable_directory() as directory:
        environment = sabotaged(directory / "broken", code)
        with start_product(directory / "data", *ONE_OF_EACH, environment=environment) as product:
            worker = pids(product, "worker")
            image = product.settled(product.upload(samples.jpeg()))
            assert jobs(product, image) == [("doing", 0)]
            assert idle(product, image, within=TAKEN_OVER_SECONDS)
            assert pids(product, "worker") == worker
            assert state(product, image) == "ready"


def test_what_a_killed_worker_had_stored_and_not_recorded_goes_with_the_image(single: Product) -> None:
    image = single.settled(single.upload(samples.jpeg(seed=35)))
    recorded = next(
        single.data / name for name in single.files("blobs") if image["sha256"] in name and "/thumb/" in name
    )
    unrecorded = recorded.with_name(f"{image['sha256']}-{'0' * 32}{recorded.suffix}")
    unrecorded.write_bytes(recorded.read_bytes())
    assert single.client.delete(f"/api/v1/images/{image['id']}?purge=true").status_code == 204
    assert not unrecorded.exists()


def test_a_picture_is_seen_to_be_ready_though_the_worker_died_before_it_told_anybody() -> None:
    code = """
        from tintype.db.notify import Notifier

        async def die_first(self):
            self._images = set()

        Notifier._send_images = die_first
    """
    with passable_directory() as directory:
        environment = sabotaged(directory / "broken", code, WORKER)
        with start_product(directory / "data", *ONE_OF_EACH, environment=environment) as product:
            with frozen(*started(product, "renderer")):
                image = product.upload(samples.jpeg())
                path = f"/api/v1/images/{image['id']}"
                assert product.client.get(path).json()["state"] == "processing"
            assert idle(product, image)
            assert eventually(lambda: product.client.get(path).json()["state"] == "ready", within=3)


# In vain


def test_a_decoder_that_always_fails_ends_as_failed_after_five_attempts_and_the_api_says_so() -> None:
    code = """
        from tintype.adapters.render_pool import RenderPool
        from tintype.ports.renderer import RendererFailed

        async def fail(*args):
            raise RendererFailed("broken on purpose")

        RenderPool.render = fail
    """
    with passable_directory() as directory:
        environment = BRISK | sabotaged(directory / "broken", code, WORKER)
        with start_product(directory / "data", *ONE_OF_EACH, environment=environment) as product:
            image = product.settled(product.upload(samples.jpeg()))
            assert (image["state"], image["state_reason"]) == ("failed", "processing.failed")
            assert eventually(lambda: jobs(product, image) == [("failed", 5)])
            assert product.metric("tintype_jobs_total", task="process_image", outcome="error") == 5
            assert product.stranger.get(image["url"]).status_code == 200


def damaged_png() -> bytes:
    """Return a PNG whose chunks are sound and whose zlib stream is none."""
    header = struct.pack(">IIBBBBB", 640, 480, 8, 2, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", b"no stream of zlib"), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(samples.png_chunk(*chunk) for chunk in chunks)


def test_images_that_no_decoder_can_read_end_rejected_and_hold_up_nobody(single: Product) -> None:
    sent = [damaged_png(), samples.jpeg(seed=40), damaged_png(), samples.png(seed=41), damaged_png(), samples.webp()]
    images = [single.upload(data) for data in sent]
    settled = [single.settled(image) for image in images]
    assert [(image["state"], image["state_reason"]) for image in settled] == [
        ("rejected", "image.malformed"),
        ("ready", None),
    ] * 3
    assert all(idle(single, image) for image in images)


def test_a_file_on_which_the_decoder_crashes_is_rejected_alone(single: Product) -> None:
    (decoder,) = started(single, "renderer")
    with frozen(decoder):
        poison = single.upload(samples.jpeg(seed=50))
        assert in_work(single, poison)
        neighbour = single.upload(samples.jpeg(seed=51))
        os.kill(decoder, signal.SIGSEGV)
    assert single.settled(poison)["state"] == "rejected"
    assert single.settled(neighbour)["state"] == "ready"


def test_a_decoder_that_hangs_costs_a_pause_and_no_worker() -> None:
    environment = BRISK | {"TINTYPE_RENDER__TIMEOUT_SECONDS": "2"}
    with (
        passable_directory() as directory,
        start_product(directory / "data", *ONE_OF_EACH, environment=environment) as product,
    ):
        worker, decoders = pids(product, "worker"), started(product, "renderer")
        with frozen(*decoders):
            stuck = product.upload(samples.jpeg(seed=0))
            assert in_work(product, stuck)
            neighbours = [product.upload(samples.jpeg(seed=seed)) for seed in range(1, 4)]
            assert {product.settled(image)["state"] for image in (*neighbours, stuck)} == {"ready"}
        assert product.metric("tintype_jobs_total", task="process_image", outcome="error") >= 1
        assert pids(product, "worker") == worker
        assert not set(decoders) & set(pids(product, "renderer"))
