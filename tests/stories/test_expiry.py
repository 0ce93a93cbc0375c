"""An image with an end is gone at its end, from every memory; the sweep removes its bytes, and those of old trash."""

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any, Final

import httpx
import psycopg
import pytest

import samples
from postgres import passable_directory
from product import Product, eventually, start_product
from refusals import assert_problem
from tintype.adapters.postgres_embedded import EmbeddedConfig, running_superuser_url

IMAGES: Final = "/api/v1/images"
SWEPT_SECONDS: Final = 20.0
"""On a busy machine."""


@pytest.fixture(scope="module")
def product() -> Iterator[Product]:
    environment = {"TINTYPE_KINDS__POST__EXPIRES_IN": "1h", "TINTYPE_TRASH__KEEP": "7d"}
    arguments = ("--api-processes", "2")
    with (
        passable_directory() as directory,
        start_product(directory / "data", *arguments, environment=environment) as running,
    ):
        yield running


def resource(image: dict[str, Any]) -> str:
    return f"{IMAGES}/{image['id']}"


def seconds_left(image: dict[str, Any]) -> float:
    return (datetime.fromisoformat(image["expires_at"]) - datetime.now(UTC)).total_seconds()


def sweep(product: Product) -> None:
    """Have a worker sweep now, as it would at the next minute."""
    product.query("INSERT INTO procrastinate_jobs (queue_name, task_name, priority) VALUES ('tintype', 'sweep', 15)")


def is_purged(product: Product, image: dict[str, Any]) -> bool:
    gone = product.client.get(resource(image)).status_code == httpx.codes.GONE
    return gone and not {name for name in product.files("blobs") if image["sha256"] in name}


def everywhere(product: Product, path: str) -> set[int]:
    return {httpx.get(httpx.URL(product.base_url).join(path)).status_code for _ in range(6)}


# The end


def test_an_image_is_kept_as_long_as_it_or_its_kind_says(product: Product) -> None:
    said: list[tuple[dict[str, Any], int]] = [({"expires_in": "600"}, 600), ({"kind": "post"}, 3_600)]
    for fields, seconds in said:
        image = product.upload(samples.jpeg(seed=800), **fields)
        assert seconds - 60 < seconds_left(image) <= seconds + 60
    longer = product.upload(samples.jpeg(seed=801), kind="post", expires_in="7200")
    assert seconds_left(longer) > 7_000
    assert product.upload(samples.jpeg(seed=802))["expires_at"] is None


@pytest.mark.parametrize("seconds", ["0", "-1", "1.5", "soon", "", "315360001"])
def test_a_lifetime_that_is_none_is_refused(product: Product, seconds: str) -> None:
    answer = product.client.post(IMAGES, files={"file": samples.jpeg()}, data={"expires_in": seconds})
    assert [error["field"] for error in assert_problem(answer, 422, "request.invalid")["errors"]] == ["expires_in"]


def test_an_expired_image_is_served_by_no_process_that_remembered_it(product: Product) -> None:
    image = product.settled(product.upload(samples.jpeg(seed=803)))
    soon = datetime.now(UTC) + timedelta(seconds=6)
    product.client.patch(resource(image), json={"expires_at": soon.isoformat()})
    paths = [image["url"], image["thumbnails"]["thumb"], resource(image), f"/p/{image['id']}"]
    assert {status for path in paths[:2] for status in everywhere(product, path)} == {200}
    time.sleep(max(0, (soon - datetime.now(UTC)).total_seconds()) + 0.1)
    for path in paths:
        assert everywhere(product, path) == {410}
    assert_problem(product.stranger.get(image["url"]), 410, "image.gone")
    assert_problem(product.client.patch(resource(image), json={"expires_at": None}), 410, "image.gone")
    assert_problem(product.client.put(f"{resource(image)}/content", content=samples.jpeg()), 410, "image.gone")
    sweep(product)
    assert eventually(lambda: is_purged(product, image), within=SWEPT_SECONDS)


def test_no_cache_may_keep_an_image_past_its_end(product: Product) -> None:
    image = product.settled(product.upload(samples.jpeg(seed=804), expires_in="900"))
    end = datetime.fromisoformat(image["expires_at"])
    for path in (image["url"], image["thumbnails"]["thumb"]):
        for _ in range(2):
            headers = product.stranger.get(path).headers
            assert headers["cache-control"] == "public"
            assert abs(parsedate_to_datetime(headers["expires"]) - end) < timedelta(seconds=2)
    assert product.stranger.get(f"/i/{image['id']}/thumb").headers["cache-control"] == "public, no-cache"
    product.client.patch(resource(image), json={"expires_at": None})
    assert eventually(lambda: "immutable" in product.stranger.get(image["url"]).headers["cache-control"], within=1)


# The sweep


def test_the_sweep_purges_what_is_due_and_nothing_else(product: Product) -> None:
    images = [product.settled(product.upload(samples.jpeg(seed=810 + each), title=f"due {each}")) for each in range(6)]
    old, young, restored, held, expired, staying = images
    for image in (old, young, restored, held):
        product.client.delete(resource(image))
    product.client.post(f"{resource(restored)}/restore")
    for image in (held, staying):
        assert product.client.put(f"{resource(image)}/hold").status_code == 204
    product.query("UPDATE images SET trashed_at = now() - interval '8 days' WHERE title IN ('due 0', 'due 3')")
    product.query("UPDATE images SET trashed_at = now() - interval '6 days' WHERE title = 'due 1'")
    product.query("UPDATE images SET expires_at = now() WHERE title IN ('due 4', 'due 5')")
    sweep(product)
    assert eventually(lambda: is_purged(product, old) and is_purged(product, expired), within=SWEPT_SECONDS)
    states = [product.client.get(resource(image)).json().get("state") for image in (young, restored, held)]
    assert states == ["trashed", "ready", "trashed"]
    assert product.query("SELECT state FROM images WHERE title = 'due 5'") == [("ready",)]
    causes = [product.client.get(f"{resource(image)}/receipt").json()["cause"] for image in (old, expired)]
    assert causes == ["trash", "expiry"]
    for image in (held, staying):
        assert product.client.delete(f"{resource(image)}/hold").status_code == 204
    sweep(product)
    assert eventually(lambda: is_purged(product, held) and is_purged(product, staying), within=SWEPT_SECONDS)


def test_an_image_that_cannot_be_purged_holds_up_no_other(product: Product) -> None:
    images = [product.settled(product.upload(samples.jpeg(seed=820 + each), title=f"all {each}")) for each in range(3)]
    product.query("UPDATE images SET expires_at = '2020-01-01' WHERE title = 'all 0'")
    product.query("UPDATE images SET expires_at = now() WHERE title IN ('all 1', 'all 2')")
    url = running_superuser_url(EmbeddedConfig(data=product.data))
    assert url is not None
    with psycopg.connect(url, options="-c search_path=tintype") as connection:
        connection.execute("SELECT 1 FROM images WHERE title = 'all 0' FOR UPDATE")
        sweep(product)
        assert eventually(lambda: all(is_purged(product, image) for image in images[1:]), within=2 * SWEPT_SECONDS)
        assert product.query("SELECT state FROM images WHERE title = 'all 0'") == [("ready",)]
    sweep(product)
    assert eventually(lambda: is_purged(product, images[0]), within=SWEPT_SECONDS)


def test_the_sweep_is_done_at_its_time(product: Product) -> None:
    assert product.query("SELECT schedule FROM periodic_tasks WHERE name = 'sweep'") == [("* * * * *",)]
