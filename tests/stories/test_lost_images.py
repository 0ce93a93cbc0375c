"""Images in work whose job is gone are found (I5): by the sweep, by the database's clock, once."""

from collections.abc import Iterator
from typing import Any, Final

import pytest

import samples
from killing import frozen, pids, started
from postgres import passable_directory
from product import Product, eventually, start_product
from queued import image_number, jobs_of
from sabotage import WORKER, sabotaged

FOUND_SECONDS: Final = 20.0

BRISK: Final = """
    from tintype import worker

    worker.SWEEP_SECONDS = 0.3
"""
"""A round of the worker comes every 5 s otherwise."""


@pytest.fixture(scope="module")
def product() -> Iterator[Product]:
    with passable_directory() as directory:
        environment = sabotaged(directory / "brisk", BRISK, WORKER)
        with start_product(directory / "data", environment=environment) as running:
            yield running


def lose(product: Product, image: dict[str, Any], *, minutes: int = 2) -> None:
    """Have the image be in work for so many minutes, without a job."""
    product.query(
        "UPDATE images SET state = 'processing', updated_at = now() - make_interval(mins => %s) WHERE id = %s",
        minutes,
        image_number(image),
    )


def sweep(product: Product) -> None:
    """Have the sweep be due now, and wait for it to be done."""
    ((before,),) = product.query("SELECT coalesce(max(ended_at), 'epoch') FROM periodic_tasks")
    product.query("UPDATE periodic_tasks SET due_at = clock_timestamp() WHERE name = 'lost_images'")
    assert eventually(
        lambda: (
            product.query(
                "SELECT 1 FROM periodic_tasks WHERE name = 'lost_images' AND ended_at > %s AND outcome = 'done'", before
            )
            != []
        ),
        within=FOUND_SECONDS,
    )


def state(product: Product, image: dict[str, Any]) -> str:
    ((found,),) = product.query("SELECT state FROM images WHERE id = %s", image_number(image))
    return str(found)


def test_an_image_whose_job_was_lost_gets_one_and_is_ready(product: Product) -> None:
    image = product.settled(product.upload(samples.jpeg(seed=1)))
    before = product.metric("tintype_lost_images_total", outcome="requeued")
    lose(product, image)
    sweep(product)
    assert eventually(lambda: state(product, image) == "ready")
    assert product.metric("tintype_lost_images_total", outcome="requeued") == before + 1


def test_an_image_that_is_in_work_for_a_moment_only_is_left_alone(product: Product) -> None:
    image = product.settled(product.upload(samples.jpeg(seed=2)))
    lose(product, image, minutes=0)
    sweep(product)
    assert (state(product, image), jobs_of(product, image)) == ("processing", [])
    lose(product, image)
    sweep(product)
    assert eventually(lambda: state(product, image) == "ready")


def test_an_image_whose_job_waits_or_runs_gets_no_other(product: Product) -> None:
    decoders = started(product, "renderer", count=2)
    with frozen(*decoders):
        images = [product.upload(samples.jpeg(seed=seed)) for seed in range(3, 9)]
        product.query("UPDATE images SET updated_at = now() - interval '1 hour' WHERE state = 'processing'")
        # The workers' places are taken by frozen decoders, so the sweep's own look is taken here.
        assert product.query("SELECT * FROM lost_images(60, 100)") == []
        assert all(len(jobs_of(product, image)) == 1 for image in images)
    assert all(product.settled(image)["state"] == "ready" for image in images)


def test_an_image_whose_job_died_while_nobody_could_record_it_is_failed_and_not_tried_for_ever(
    product: Product,
) -> None:
    image = product.settled(product.upload(samples.jpeg(seed=10)))
    lose(product, image)
    product.query(
        """INSERT INTO procrastinate_jobs (queue_name, task_name, priority, status, attempts, args)
           SELECT 'tintype', 'process_image', 10, 'failed', 5,
                  jsonb_build_object('tenant', tenant, 'image', id, 'version', version)
           FROM images WHERE id = %s""",
        image_number(image),
    )
    sweep(product)
    assert state(product, image) == "failed"
    assert product.metric("tintype_lost_images_total", outcome="failed") >= 1
    assert jobs_of(product, image) == [("failed", 5)]
    assert pids(product, "worker") != []


def test_a_variant_whose_file_is_lost_is_made_again_by_whoever_asks_for_it(product: Product) -> None:
    image = product.settled(product.upload(samples.jpeg(seed=11)))
    for name in ("thumb.jpg", "medium.webp"):
        path = f"/i/{image['id']}/{name}?v=1"
        first = product.stranger.get(path)
        preset, _, ending = name.partition(".")
        files = [each for each in product.files("blobs") if image["sha256"] in each and f"/{preset}/" in each]
        (file,) = (each for each in files if each.endswith(ending))
        (product.data / file).unlink()
        again = product.stranger.get(path)
        assert (first.status_code, again.status_code) == (200, 200)
        assert again.headers["content-type"] == first.headers["content-type"]
        rows = product.query("SELECT count(*) FROM variants WHERE sha256 = %s", bytes.fromhex(image["sha256"]))
        assert rows == [(6,)]
