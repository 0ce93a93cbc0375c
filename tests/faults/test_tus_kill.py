"""API processes that are killed, or freeze, while they receive a resumable upload (I7): what counted is there."""

import hashlib
import os
import signal
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Final

import httpx
import pytest

from killing import API_PROCESS, frozen, pids, started
from postgres import passable_directory
from product import Product, eventually, start_product
from raw_http import connect
from refusals import assert_problem
from resumable import VERSION, begin, begin_patch, committed, offset_of, photo, send, stored_png
from sabotage import API, sabotaged
from upkeep import UNSCHEDULED, verified

SEGMENT: Final = 8 * 1024 * 1024
STEP: Final = 100_000

IMPATIENT: Final = """
    from tintype.storage import holds

    holds.ANSWER_SECONDS = 0.5
"""
"""How long a holder that was killed is waited for, in short."""


@pytest.fixture(scope="module")
def product() -> Iterator[Product]:
    """Give a product of two API processes."""
    with passable_directory() as directory:
        environment = {**UNSCHEDULED, **sabotaged(directory / "impatient", IMPATIENT, API)}
        with start_product(directory / "data", "--api-processes", "2", environment=environment) as running:
            started(running, API_PROCESS, count=2)
            yield running


def kill_those_who_serve(product: Product) -> None:
    """Kill every API process, and wait until new ones answer."""
    dead = pids(product, API_PROCESS)
    for pid in dead:
        os.kill(pid, signal.SIGKILL)
    assert eventually(lambda: answers(product) and not set(dead) & set(pids(product, API_PROCESS)), within=20)
    product.client.close()
    product.__post_init__()


def back_without(product: Product, pid: int) -> bool:
    """Return whether two processes serve, and this one no more."""
    serving = pids(product, API_PROCESS)
    return pid not in serving and len(serving) == 2 and answers(product)


def answers(product: Product) -> bool:
    try:
        return httpx.get(f"{product.base_url}/healthz", timeout=2).status_code == 200
    except httpx.TransportError:
        return False


def stands_at(product: Product) -> int:
    """Return where the last upload stands by its row; nobody is asked to put anything down."""
    return int(product.query("SELECT received FROM uploads ORDER BY id DESC LIMIT 1")[0][0])


def test_a_kill_in_the_midst_of_a_patch_takes_nothing_that_counted(product: Product) -> None:
    data = stored_png(1750, 1700, seed=531)
    path = begin(product.client, len(data))
    with connect(product.base_url) as connection:  # a whole segment counts by itself …
        begin_patch(connection, path, 0, len(data), data[: SEGMENT + 200_000])
        assert eventually(lambda: stands_at(product) == SEGMENT, within=10)
        kill_those_who_serve(product)
    at = offset_of(product.client, path)
    assert at == SEGMENT
    with connect(product.base_url) as connection:  # … and what came by then when somebody asks
        begin_patch(connection, path, at, len(data) - at, data[at : at + STEP])
        assert eventually(lambda: offset_of(product.client, path) == SEGMENT + STEP)
        connection.send(data[at + STEP : at + 2 * STEP])
        kill_those_who_serve(product)
    at = offset_of(product.client, path)
    assert SEGMENT + STEP <= at <= SEGMENT + 2 * STEP
    answer = send(product.client, path, at, data[at:])
    assert committed(product, answer.headers["tintype-image"])["source_sha256"] == hashlib.sha256(data).hexdigest()


def holder(product: Product) -> int | None:
    """Return the API process that has an upload open."""
    for pid in pids(product, API_PROCESS):
        for link in Path(f"/proc/{pid}/fd").glob("*"):
            try:
                if str(link.readlink()).startswith(str(product.data / "staging")):
                    return pid
            except FileNotFoundError:
                continue
    return None


def test_a_process_that_is_told_to_end_puts_down_what_came_and_sends_its_sender_on(product: Product) -> None:
    data = photo(600, 600, seed=533)
    path = begin(product.client, len(data))
    with connect(product.base_url) as connection:
        begin_patch(connection, path, 0, len(data), data[:50_000])
        assert eventually(lambda: holder(product) is not None)
        pid = holder(product)
        assert pid is not None
        os.kill(pid, signal.SIGTERM)
        answer = connection.answer()
    assert_problem(answer, 503, "unavailable")
    assert (answer.headers["retry-after"], stands_at(product)) == ("1", 50_000)
    assert eventually(lambda: back_without(product, pid), within=20)


def test_a_process_that_freezes_is_passed_by_and_its_bytes_do_not_count_when_it_wakes(product: Product) -> None:
    data = photo(600, 600, seed=532)
    path = begin(product.client, len(data))
    with connect(product.base_url) as connection:
        begin_patch(connection, path, 0, len(data), data[:50_000])
        assert eventually(lambda: holder(product) is not None)
        pid = holder(product)
        assert pid is not None
        with frozen(pid):
            connection.send(data[50_000:])
            answer = persistent_patch(product, path, data)
        assert connection.answer().status == 409
    assert committed(product, answer.headers["tintype-image"])["source_sha256"] == hashlib.sha256(data).hexdigest()


def persistent_patch(product: Product, path: str, data: bytes) -> httpx.Response:
    """Return the answer of whoever answers: the frozen process takes connections, too."""
    for _ in range(20):
        try:
            with httpx.Client(base_url=product.base_url, timeout=2) as client:
                client.head(path, headers=VERSION)
                return send(client, path, 0, data)
        except httpx.TransportError:
            continue
    raise AssertionError("nobody answers")


def test_what_the_kills_left_breaks_no_invariant_and_a_segment_that_is_lost_would(product: Product) -> None:
    def amiss() -> int:
        return len(verified(product, grace=timedelta(days=1)))  # what a kill left uncounted is gc's, in time

    def staged() -> set[str]:
        return {name for name in product.files("blobs") if "staging/" in name}

    assert amiss() == 0
    data = photo(300, 300, seed=534)
    path, before = begin(product.client, len(data)), staged()
    send(product.client, path, 0, data[:20_000])
    (segment,) = staged() - before
    (product.data / segment).unlink()
    assert amiss() == 1
    product.client.delete(path, headers=VERSION).raise_for_status()
    assert amiss() == 0
