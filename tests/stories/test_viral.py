"""One image that everybody wants at once, and that is deleted meanwhile."""

import time
from collections.abc import Iterator
from typing import Final

import pytest

import samples
from hammering import CONNECTIONS, hammering
from killing import frozen, pids
from postgres import passable_directory
from product import Product, eventually, start_product
from soundness import assert_sound
from tintype.domain.ids import ImageRef, make_id

FINAL_SECONDS: Final = 1.0
"""I6: how long after the answer to a delete the origin may still serve."""

DAY_MILLISECONDS: Final = 86_400_000


@pytest.fixture(scope="module")
def product() -> Iterator[Product]:
    arguments = ("--api-processes", "2", "--workers", "1", "--renderers", "1")
    with passable_directory() as directory, start_product(directory / "data", *arguments) as running:
        yield running
        assert_sound(running)


def test_a_viral_image_is_served_to_every_connection_and_to_none_a_second_after_its_delete(product: Product) -> None:
    image = product.settled(product.upload(samples.jpeg(seed=1)))
    with hammering(product, f"/i/{image['id']}/thumb.jpg?v=1") as answers:
        assert eventually(lambda: len(answers.asked) > 4 * CONNECTIONS, within=30)
        begun = time.monotonic()
        assert product.client.delete(f"/api/v1/images/{image['id']}?purge=true").status_code == 204
        deleted = time.monotonic()
        late = deleted + FINAL_SECONDS
        assert eventually(lambda: answers.between(late)[410] > 4 * CONNECTIONS, within=30)
    assert set(answers.between(0, begun)) == {200}
    assert set(answers.between(begun, late)) <= {200, 410}
    assert set(answers.between(late)) == {410}


def test_a_viral_size_that_nobody_made_is_one_render_and_then_served_to_everybody(product: Product) -> None:
    image = product.settled(product.upload(samples.jpeg(1200, 900, seed=2)))
    before = product.metric("tintype_render_seconds_count")
    with hammering(product, f"/i/{image['id']}/large.webp?v=1") as answers:
        assert eventually(lambda: len(answers.asked) > 4 * CONNECTIONS, within=30)
    assert set(answers.between(0)) == {200}
    assert product.metric("tintype_render_seconds_count") == before + 1


def test_what_was_deleted_and_what_cannot_be_is_answered_without_a_look_into_the_database(product: Product) -> None:
    image = product.settled(product.upload(samples.jpeg(seed=3)))
    paths = [f"/i/{image['id']}/{name}" for name in ("thumb.jpg?v=1", "original", "large.webp")]
    assert product.client.delete(f"/api/v1/images/{image['id']}?purge=true").status_code == 204
    for path in paths:  # each of the two processes looks once
        with hammering(product, path, connections=16) as answers:
            assert eventually(lambda: answers.between(0)[410] > 100, within=10)
    ahead = ImageRef(make_id(int(time.time() * 1000) + 30 * DAY_MILLISECONDS, 1, 1), 7)
    database = [pid for pid, command in product.children().items() if command.startswith("postgres:")]
    with frozen(*pids(product, "postgres"), *database):
        for path, status in [*((path, 410) for path in paths), (f"/i/{ahead}/thumb", 404)]:
            with hammering(product, path, connections=16) as answers:
                assert eventually(lambda: len(answers.asked) > 100, within=10)
            assert set(answers.between(0)) == {status}
