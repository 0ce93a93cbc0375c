"""A database that is gone, or there and silent (I12): 503 at once, cached pictures for a minute, and back by itself."""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from typing import Any, Final

import httpx
import pytest

import samples
from killing import frozen, pids
from postgres import passable_directory
from product import Product, eventually, start_product
from sabotage import API, sabotaged
from supervised_postgres import running
from tintype.adapters.postgres_embedded import EmbeddedPostgres
from tintype.domain.ids import ImageRef

REFUSED_SECONDS: Final = 2.0
NOISE_SECONDS: Final = 0.5
"""What a busy machine adds between two processes; the product's own share is far below its 2 s."""

CACHED_SECONDS: Final = 1.0
"""Milliseconds on an idle machine."""

RECOVERED_SECONDS: Final = 10.0
CLIENTS: Final = 12
"""More than the connections that an API process has to the database."""

ONE_MEMORY: Final = ("--api-processes", "1")
"""What a test had cached is there for whatever it asks next."""

IMPATIENT: Final = """
    from tintype.db import notify
    from tintype.reads import delivery

    notify.HEARTBEAT_SECONDS = 1.0
    delivery.DEAF_SECONDS = 3.0
"""
"""The minute for which a node that hears of nothing believes what it knows, in short."""


@pytest.fixture(scope="module")
def embedded() -> Iterator[Product]:
    with passable_directory() as directory:
        # With rate limits an upload asks the database once more, before its body is read.
        environment = {**sabotaged(directory / "impatient", IMPATIENT, API), "TINTYPE_RATE_LIMITS": "on"}
        with start_product(directory / "data", *ONE_MEMORY, environment=environment) as product:
            yield product


@contextmanager
def silent_database(product: Product) -> Iterator[None]:
    """Freeze every process of the database: it answers nothing, closes nothing, refuses nothing."""
    (postmaster,) = pids(product, "postgres")
    with frozen(postmaster, *(pid for pid, command in product.children().items() if command.startswith("postgres:"))):
        yield


def timed(product: Product, method: str, url: str, **arguments: Any) -> tuple[int, float]:  # noqa: ANN401 -- for httpx
    """Return the status, and the seconds it took on a connection that is there already."""
    with httpx.Client(base_url=product.base_url, timeout=30) as client:
        client.get("/healthz")
        began = time.monotonic()
        status = client.request(method, url, **arguments).status_code
        return status, time.monotonic() - began


def refusals(product: Product, image: dict[str, Any]) -> list[tuple[int, float]]:
    """Return statuses and seconds of many uploads and look-ups at once."""
    headers = {"authorization": f"Bearer {product.api_key}"}
    path = f"/api/v1/images/{image['id']}"

    def ask(number: int) -> tuple[int, float]:
        if number % 2:
            return timed(product, "GET", path, headers=headers)
        return timed(product, "POST", "/api/v1/images", headers=headers, content=samples.jpeg(seed=number))

    with ThreadPoolExecutor(CLIENTS) as pool:
        return list(pool.map(ask, range(CLIENTS)))


def cached(product: Product) -> dict[str, Any]:
    """Return an image whose original and thumbnails an API process has in its memory."""
    image = product.settled(product.upload(samples.jpeg(seed=1)))
    for _ in range(2):
        assert {status for status, _ in deliveries(product, image)} == {200}
    return image


def deliveries(product: Product, image: dict[str, Any]) -> list[tuple[int, float]]:
    return [timed(product, "GET", url) for url in (image["url"], *image["thumbnails"].values())]


def is_back(product: Product) -> bool:
    answer = product.client.post("/api/v1/images", content=samples.jpeg(seed=2))
    return answer.status_code == 201


def assert_refused_at_once(answers: list[tuple[int, float]]) -> None:
    assert {status for status, _ in answers} == {503}
    assert max(seconds for _, seconds in answers) < REFUSED_SECONDS + NOISE_SECONDS


def assert_served_at_once(answers: list[tuple[int, float]]) -> None:
    assert {status for status, _ in answers} == {200}
    assert max(seconds for _, seconds in answers) < CACHED_SECONDS


def test_a_silent_database_is_503_within_two_seconds_while_cached_pictures_go_on(embedded: Product) -> None:
    image = cached(embedded)
    with silent_database(embedded), ThreadPoolExecutor(1) as aside:
        asked = aside.submit(refusals, embedded, image)  # by those that have a connection
        assert_served_at_once(deliveries(embedded, image))
        assert_refused_at_once(asked.result())
        assert_refused_at_once(refusals(embedded, image))  # by those that get none
        assert timed(embedded, "GET", "/healthz")[0] == 200
        assert_refused_at_once([timed(embedded, "GET", "/readyz")])
    assert eventually(lambda: is_back(embedded), within=RECOVERED_SECONDS)


def test_a_node_that_hears_nothing_from_the_database_stops_serving_what_it_remembers(embedded: Product) -> None:
    image = cached(embedded)
    with silent_database(embedded):
        assert_served_at_once(deliveries(embedded, image))
        assert eventually(lambda: embedded.stranger.get(image["url"]).status_code == 503, within=15)
    assert eventually(lambda: embedded.stranger.get(image["url"]).status_code == 200, within=RECOVERED_SECONDS)


def test_what_changed_while_a_node_was_cut_off_is_not_served_from_memory_when_it_is_back(embedded: Product) -> None:
    image = cached(embedded)
    number = ImageRef.parse(image["id"]).id
    embedded.query("UPDATE images SET visibility = 'private' WHERE id = %s", number)  # by who could tell nobody
    assert {status for status, _ in deliveries(embedded, image)} == {200}
    embedded.query("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'tintype_app'")
    assert eventually(lambda: {status for status, _ in deliveries(embedded, image)} == {404}, within=RECOVERED_SECONDS)


@pytest.fixture
def external() -> Iterator[tuple[Product, EmbeddedPostgres]]:
    """Give a product and the server of its own that it was told to use."""
    with ExitStack() as stack:
        directory = stack.enter_context(passable_directory())
        server = stack.enter_context(running(directory / "elsewhere"))
        environment = {"TINTYPE_DATABASE_URL": server.superuser_url}
        yield stack.enter_context(start_product(directory / "data", *ONE_MEMORY, environment=environment)), server


def test_a_database_server_that_is_stopped_is_503_at_once_and_found_again_when_it_is_back(
    external: tuple[Product, EmbeddedPostgres],
) -> None:
    product, server = external
    image = cached(product)
    server.stop()
    assert_refused_at_once(refusals(product, image))
    assert_served_at_once(deliveries(product, image))
    server.restart()
    assert eventually(lambda: is_back(product), within=RECOVERED_SECONDS)
    assert_served_at_once(deliveries(product, image))
