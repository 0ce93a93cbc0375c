"""One render for a variant, however many ask, in however many processes; and what is answered when there is no room."""

import http.client
import os
import signal
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, Final, LiteralString
from urllib.parse import urlsplit

import pytest
from psycopg.types.json import Jsonb

import samples
from killing import frozen, started
from postgres import passable_directory
from product import Product, eventually, own_product, start_product
from queued import image_number
from raw_http import Answer
from refusals import assert_problem
from sabotage import API, sabotaged
from tintype.db.backlog import REMEMBERED_SECONDS
from tintype.db.jobs import Priority

ASKS: Final = 200
TWO_PROCESSES: Final = ("--api-processes", "2", "--workers", "1", "--renderers", "1")
ONE_OF_EACH: Final = ("--api-processes", "1", "--workers", "1", "--renderers", "1")
SLOTS: Final = 2
"""Jobs that one worker with one decoder has under way."""

SLOW: Final = """
    import asyncio
    from tintype.adapters.render_pool import RenderPool

    render = RenderPool.render

    async def render_slowly(*args):
        await asyncio.sleep(1.0)
        return await render(*args)

    RenderPool.render = render_slowly
"""
"""Long enough for every ask to come while the first render is under way."""

WITHOUT_CLAIMS: Final = """
    from contextlib import asynccontextmanager
    from tintype.db.render_claims import RenderClaims

    @asynccontextmanager
    async def claimed(*args, **kwargs):
        yield True

    RenderClaims.claimed = claimed
"""

FIRST_HANGS: Final = """
    import asyncio, os
    from tintype.adapters.render_pool import RenderPool

    render = RenderPool.render

    async def hang_first(*args):
        try:
            file = os.open({note!r}, os.O_CREAT | os.O_EXCL | os.O_WRONLY)
        except FileExistsError:
            return await render(*args)
        os.write(file, str(os.getpid()).encode())
        os.close(file)
        await asyncio.sleep(3600)

    RenderPool.render = hang_first
"""

WHILE_HELD: Final = """
    import asyncio
    from pathlib import Path
    from tintype.adapters.render_pool import RenderPool

    render, switch = RenderPool.render, Path({switch!r})

    async def wait_first(*args):
        while switch.exists():
            await asyncio.sleep(0.02)
        return await render(*args)

    RenderPool.render = wait_first
"""


@pytest.fixture(scope="module")
def product() -> Iterator[Product]:
    with own_product() as running:
        yield running


@contextmanager
def product_with(code: str, *arguments: str, **environment: str) -> Iterator[Product]:
    with passable_directory() as directory:
        variables = environment | sabotaged(directory / "code", code, API)
        with start_product(directory / "data", *arguments, environment=variables) as product:
            yield product


def ask(product: Product, path: str) -> Answer | None:
    """Return the answer on a connection of its own, or None when it broke."""
    began, address = time.perf_counter(), urlsplit(product.base_url)
    connection = http.client.HTTPConnection(str(address.hostname), address.port, timeout=30)
    try:
        connection.request("GET", path)
        got = connection.getresponse()
        headers = {name.lower(): value for name, value in got.getheaders()}
        return Answer(got.status, headers, got.read(), time.perf_counter() - began)
    except (OSError, http.client.HTTPException):
        return None
    finally:
        connection.close()


def all_ask(product: Product, path: str, asks: int = ASKS) -> list[Answer | None]:
    with ThreadPoolExecutor(asks) as pool:
        return list(pool.map(lambda _: ask(product, path), range(asks)))


def renders_of_many_asks(product: Product) -> float:
    """Return how many renders it took to answer all who asked for a size that nobody had made."""
    image = product.settled(product.upload(samples.jpeg(1200, 900, seed=1)))
    before = product.metric("tintype_render_seconds_count")
    answers = all_ask(product, f"/i/{image['id']}/large.jpg?v=1")
    assert None not in answers
    assert {answer.status for answer in answers if answer is not None} == {200}
    assert len({answer.body for answer in answers if answer is not None}) == 1
    return product.metric("tintype_render_seconds_count") - before


def test_two_hundred_who_ask_two_processes_at_once_have_one_render() -> None:
    with product_with(SLOW, *TWO_PROCESSES) as product:
        assert renders_of_many_asks(product) == 1
        assert product.query("SELECT count(*) FROM render_claims") == [(0,)]


def test_without_claims_each_process_renders_for_itself() -> None:
    with product_with(SLOW + WITHOUT_CLAIMS, *TWO_PROCESSES) as product:
        assert renders_of_many_asks(product) == 2


def test_when_the_process_that_renders_is_killed_another_takes_over() -> None:
    with passable_directory() as directory:
        note = directory / "held"
        variables = sabotaged(directory / "code", FIRST_HANGS.format(note=str(note)), API)
        with start_product(directory / "data", *TWO_PROCESSES, environment=variables) as product:
            image = product.settled(product.upload(samples.jpeg(1200, 900, seed=2)))
            path = f"/i/{image['id']}/large.jpg?v=1"
            before = product.metric("tintype_render_seconds_count")
            with ThreadPoolExecutor(32) as pool:
                asked = [pool.submit(ask, product, path) for _ in range(32)]
                assert eventually(lambda: note.exists() and note.read_text() != "", within=10)
                os.kill(int(note.read_text()), signal.SIGKILL)
                answers = Counter(None if got is None else got.status for got in (one.result() for one in asked))
            assert set(answers) <= {None, 200, 202}
            assert eventually(lambda: is_served(product, path), within=15)
            assert product.metric("tintype_render_seconds_count") == before + 1


def is_served(product: Product, path: str) -> bool:
    answer = ask(product, path)
    return answer is not None and answer.status == 200


def test_what_is_more_than_can_be_made_at_once_is_told_to_come_again() -> None:
    with passable_directory() as directory:
        switch = directory / "held"
        variables = {"TINTYPE_RENDER__QUEUE": "1"}
        variables |= sabotaged(directory / "code", WHILE_HELD.format(switch=str(switch)), API)
        with start_product(directory / "data", *ONE_OF_EACH, environment=variables) as product:
            images = [product.settled(product.upload(samples.jpeg(seed=seed))) for seed in range(3, 6)]
            paths = [f"/i/{image['id']}/large.{ending}?v=1" for image in images for ending in ("jpg", "webp")]
            switch.touch()
            with ThreadPoolExecutor(len(paths)) as pool:
                asked = [pool.submit(ask, product, path) for path in paths]
                refused = [one for one in asked if eventually(one.done, within=1)]
                assert len(refused) == 4  # one is made, one waits
                switch.unlink()
                answers = [one.result() for one in asked]
            for answer in answers:
                assert answer is not None
                if answer.status != 200:
                    assert_problem(answer, 503, "unavailable")
                    assert int(answer.headers["retry-after"]) > 0
            assert all(is_served(product, path) for path in paths)


# While uploads wait


@pytest.fixture(scope="module")
def busy() -> Iterator[Product]:
    """Give a product that takes three waiting uploads for a long queue, and two seconds for a long time."""
    with passable_directory() as directory:
        environment = {"TINTYPE_JOBS__OVERLONG": "3", "TINTYPE_JOBS__OVERDUE_SECONDS": "2"}
        with start_product(directory / "data", *ONE_OF_EACH, environment=environment) as product:
            yield product


def uploads_wait(product: Product) -> bool:
    return product.query("SELECT count(*) FROM procrastinate_jobs WHERE status = 'todo' AND priority = 10") >= [(3,)]


def variant_jobs(product: Product) -> list[tuple[Any, ...]]:
    return product.query(
        "SELECT args ->> 'preset', args ->> 'format', priority FROM procrastinate_jobs WHERE task_name = 'make_variant'"
    )


def test_a_long_queue_refuses_no_upload_and_has_sizes_on_demand_wait_their_turn(busy: Product) -> None:
    image = busy.settled(busy.upload(samples.jpeg(1200, 900, seed=10)))
    path = f"/i/{image['id']}/large.jpg?v=1"
    with frozen(*started(busy, "renderer")):
        waiting = [busy.upload(samples.jpeg(seed=seed)) for seed in range(11, 18)]
        assert uploads_wait(busy)
        time.sleep(REMEMBERED_SECONDS)  # for so long a process believes that nothing waits
        assert busy.stranger.get(path).status_code == 202
        for _ in range(5):
            answer = busy.stranger.get(path)
            assert (answer.status_code, answer.content, answer.headers["cache-control"]) == (202, b"", "no-store")
            assert int(answer.headers["retry-after"]) > 0
        assert variant_jobs(busy) == [("large", "jpeg", 5)]
        for url in image["thumbnails"].values():
            assert busy.stranger.get(url).status_code == 200
    assert all(busy.settled(each)["state"] == "ready" for each in waiting)
    assert eventually(lambda: variant_jobs(busy) == [], within=10)
    assert eventually(lambda: busy.stranger.get(path).status_code == 200, within=2)


def test_a_queue_that_is_short_and_old_has_sizes_on_demand_wait_too(busy: Product) -> None:
    image = busy.settled(busy.upload(samples.jpeg(1200, 900, seed=50)))
    path = f"/i/{image['id']}/large.jpg?v=1"
    with frozen(*started(busy, "renderer")):
        waiting = [busy.upload(samples.jpeg(seed=seed)) for seed in range(51, 51 + SLOTS + 1)]
        assert eventually(lambda: oldest_waits(busy) > 2, within=15)
        assert busy.stranger.get(path).status_code == 202
        assert variant_jobs(busy) == [("large", "jpeg", 5)]
    assert all(busy.settled(each)["state"] == "ready" for each in waiting)
    assert eventually(lambda: busy.stranger.get(path).status_code == 200, within=10)


def oldest_waits(product: Product) -> float:
    ((seconds,),) = product.query(
        """SELECT coalesce(extract(epoch FROM now() - min(e.at)), 0) FROM procrastinate_events e
           JOIN procrastinate_jobs j ON j.id = e.job_id WHERE j.status = 'todo' AND e.type = 'deferred'"""
    )
    return float(seconds)


def test_the_size_of_an_image_that_is_deleted_before_its_turn_is_not_made(busy: Product) -> None:
    image = busy.settled(busy.upload(samples.jpeg(1200, 900, seed=20)))
    path = f"/i/{image['id']}/large.webp?v=1"
    with frozen(*started(busy, "renderer")):
        waiting = [busy.upload(samples.jpeg(seed=seed)) for seed in range(21, 28)]
        time.sleep(REMEMBERED_SECONDS)  # for so long a process believes that nothing waits
        assert busy.stranger.get(path).status_code == 202
        assert busy.client.delete(f"/api/v1/images/{image['id']}?purge=true").status_code == 204
    assert all(busy.settled(each)["state"] == "ready" for each in waiting)
    assert eventually(lambda: variant_jobs(busy) == [], within=10)
    assert busy.stranger.get(path).status_code == 410
    assert not [name for name in busy.files("blobs") if image["sha256"] in name]


# Priorities


RECORD_STARTS: Final[tuple[LiteralString, ...]] = (
    "CREATE TABLE started (number serial, priority int)",
    """CREATE FUNCTION note_start() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = tintype AS $$
           BEGIN INSERT INTO started (priority) VALUES (NEW.priority); RETURN NEW; END $$""",
    """CREATE TRIGGER note_start AFTER UPDATE OF status ON procrastinate_jobs FOR EACH ROW
           WHEN (OLD.status = 'todo' AND NEW.status = 'doing') EXECUTE FUNCTION note_start()""",
)


def test_what_must_be_gone_goes_before_uploads_before_what_is_looked_at_before_the_rest(busy: Product) -> None:
    old = [busy.settled(busy.upload(samples.jpeg(1200, 900, seed=seed))) for seed in range(30, 33)]
    ((tenant,),) = busy.query("SELECT tenant FROM images WHERE id = %s", image_number(old[0]))
    path = f"/i/{old[2]['id']}/large.jpg?v=1"
    with frozen(*started(busy, "renderer")):
        uploads = [busy.upload(samples.jpeg(seed=seed)) for seed in range(33, 35)]
        assert eventually(lambda: running(busy) == SLOTS, within=10)
        for statement in RECORD_STARTS:
            busy.query(statement)
        for image in old[:2]:
            enqueue(busy, "process_image", Priority.BACKFILL, tenant=tenant, image=image_number(image), version=1)
        uploads += [busy.upload(samples.jpeg(seed=seed)) for seed in range(35, 39)]
        time.sleep(REMEMBERED_SECONDS)  # for so long a process believes that nothing waits
        assert busy.stranger.get(path).status_code == 202
        enqueue(busy, "remove_blob", Priority.PURGE, tenant=tenant, sha256="0" * 64)
    assert all(busy.settled(each)["state"] == "ready" for each in uploads)
    assert eventually(lambda: busy.query("SELECT count(*) FROM procrastinate_jobs") == [(0,)], within=20)
    order = [priority for (priority,) in busy.query("SELECT priority FROM started ORDER BY number")]
    assert order == [20, *[10] * 4, 5, 0, 0]


def running(product: Product) -> int:
    ((number,),) = product.query("SELECT count(*) FROM procrastinate_jobs WHERE status = 'doing'")
    return int(number)


def enqueue(product: Product, task: str, priority: Priority, **arguments: object) -> None:
    product.query(
        "INSERT INTO procrastinate_jobs (queue_name, task_name, priority, args) VALUES ('tintype', %s, %s, %s)",
        task,
        int(priority),
        Jsonb(arguments),
    )
