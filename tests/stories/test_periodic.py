"""What is done at its time: once, by whoever is alive, on the database's clock."""

import asyncio
import os
import secrets
import signal
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import anyio
import psycopg
import pytest

from killing import pids
from postgres import Server, drop_database, fresh_database, passable_directory
from product import Product, eventually, own_product, start_product
from sabotage import WORKER, sabotaged
from tintype.db.migrate import migrate
from tintype.db.periodic import last_runs
from tintype.db.pool import Database, DatabaseConfig
from tintype.db.setup import ensure_default_tenant
from tintype.db.tenants import every_tenant
from tintype.periodic import Periodic, PeriodicTask, Report, next_due

HOURLY = "0 * * * *"


@pytest.fixture(scope="module")
def product() -> Iterator[Product]:
    with own_product() as running:
        yield running


@pytest.fixture
def url(postgres_server: Server) -> Iterator[str]:
    made = fresh_database(postgres_server)
    migrate(made)
    ensure_default_tenant(made)
    yield made
    drop_database(postgres_server, made)


async def nothing() -> Report | None:
    return None


def task(schedule: str | None = HOURLY) -> PeriodicTask:
    return PeriodicTask("tidy", schedule, nothing)


@asynccontextmanager
async def opened(url: str) -> AsyncIterator[Database]:
    database = Database(DatabaseConfig(url))
    await database.open()
    try:
        yield database
    finally:
        await database.close()


def query(url: str, statement: str, *parameters: object) -> list[tuple[Any, ...]]:
    with psycopg.connect(url, options="-c search_path=tintype", autocommit=True) as connection:
        cursor = connection.execute(statement.encode(), parameters)
        return cursor.fetchall() if cursor.description else []


def jobs(url: str) -> list[str]:
    return [name for (name,) in query(url, "SELECT task_name FROM procrastinate_jobs ORDER BY id")]


def make_due(url: str) -> None:
    query(url, "UPDATE periodic_tasks SET due_at = now() - interval '3 days'")


def due_at(url: str) -> datetime | None:
    ((found,),) = query(url, "SELECT due_at FROM periodic_tasks")
    return found  # type: ignore[no-any-return]


def test_a_task_that_is_due_runs_once_however_many_workers_ask(url: str) -> None:
    async def story() -> None:
        async with AsyncExitStack() as stack:
            databases = [await stack.enter_async_context(opened(url)) for _ in range(4)]
            workers = [Periodic(database, [task()]) for database in databases for _ in range(2)]
            assert [await worker.enqueue_due() for worker in workers] == [()] * 8
            make_due(url)
            found = await asyncio.gather(*(worker.enqueue_due() for worker in workers))
            assert sorted(found) == [()] * 7 + [("tidy",)]
            assert await workers[0].enqueue_due() == ()

    anyio.run(story)
    assert jobs(url) == ["tidy"]


def test_what_fell_due_while_nobody_ran_is_made_up_for_once(url: str) -> None:
    async def story() -> None:
        async with opened(url) as database:
            worker = Periodic(database, [task()])
            await worker.enqueue_due()
            make_due(url)
            assert await worker.enqueue_due() == ("tidy",)
            query(url, "UPDATE procrastinate_jobs SET status = 'succeeded'")
            assert await worker.enqueue_due() == ()

    anyio.run(story)
    due = due_at(url)
    assert due is not None
    assert timedelta(0) < due - datetime.now(UTC) <= timedelta(hours=1)


@pytest.mark.parametrize("status", ["todo", "doing"])
def test_a_run_that_is_not_over_takes_the_place_of_the_next(url: str, status: str) -> None:
    async def story() -> None:
        async with opened(url) as database:
            worker = Periodic(database, [task()])
            await worker.enqueue_due()
            make_due(url)
            await worker.enqueue_due()
            query(url, "UPDATE procrastinate_jobs SET status = %s", status)
            make_due(url)
            assert await worker.enqueue_due() == ()
            query(url, "UPDATE procrastinate_jobs SET status = 'failed'")
            make_due(url)
            assert await worker.enqueue_due() == ("tidy",)

    anyio.run(story)


def test_a_worker_that_starts_again_leaves_the_time_as_it_is_and_a_new_schedule_sets_it_anew(url: str) -> None:
    async def story() -> None:
        async with opened(url) as database:
            await Periodic(database, [task()]).enqueue_due()
            query(url, "UPDATE periodic_tasks SET due_at = now() + interval '40 days'")
            before = due_at(url)
            await Periodic(database, [task()]).enqueue_due()
            assert due_at(url) == before
            await Periodic(database, [task("*/5 * * * *")]).enqueue_due()
            assert due_at(url) != before
            await Periodic(database, [task(None)]).enqueue_due()
            assert due_at(url) is None

    anyio.run(story)


def test_a_worker_whose_clock_is_off_by_hours_runs_nothing_early(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    class Fast(datetime):
        @classmethod
        def now(cls, tz: Any = None) -> "Fast":  # noqa: ANN401 -- the signature is datetime's
            return super().now(tz) + timedelta(hours=2)

    monkeypatch.setattr("tintype.periodic.datetime", Fast)

    async def story() -> None:
        async with opened(url) as database:
            worker = Periodic(database, [task()])
            assert await worker.enqueue_due() == ()
            assert await worker.enqueue_due() == ()

    anyio.run(story)
    due = due_at(url)
    assert due is not None
    assert due - datetime.now(UTC) <= timedelta(hours=1)


def test_how_a_run_went_is_known_afterwards(url: str) -> None:
    async def story() -> None:
        async def find() -> Report:
            return {"found": 3}

        async def fail() -> Report:
            raise RuntimeError("broken on purpose")

        async with opened(url) as database:
            await Periodic(database, [PeriodicTask("tidy", HOURLY, find)]).run("tidy")
            with pytest.raises(RuntimeError):
                await Periodic(database, [PeriodicTask("tidy", HOURLY, fail)]).run("tidy")
            async with database.lookup() as connection:
                (last,) = await last_runs(connection)
        assert (last.outcome, last.report) == ("error", {"found": 3})
        assert last.succeeded_at is not None
        assert last.started_at is not None
        assert last.succeeded_at < last.started_at

    anyio.run(story)


def test_what_goes_through_all_tenants_meets_each_of_them_once(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tintype.db.tenants.PAGE_TENANTS", 2)
    for number in range(1, 5):
        query(url, "INSERT INTO tenants (id, slug) VALUES (%s, %s)", number, f"t-{secrets.token_hex(4)}")

    async def story() -> list[int]:
        async with opened(url) as database:
            return [tenant async for tenant in every_tenant(database)]

    found = anyio.run(story)
    assert found == [tenant for (tenant,) in query(url, "SELECT id FROM tenants ORDER BY id")]
    assert len(found) == 5


def test_a_run_outlives_the_worker_that_had_it_and_no_other_worker_runs_it_too() -> None:
    code = """
        import asyncio, pathlib
        from tintype.usecases.collect_garbage import CollectGarbage

        collect = CollectGarbage.__call__

        async def hang_once(self, **arguments):
            marker = self._blobs._directory._root.parent / "began"
            with marker.open("a") as file:
                file.write("x")
            if len(marker.read_text()) == 1:
                await asyncio.sleep(3600)
            return await collect(self, **arguments)

        CollectGarbage.__call__ = hang_once
    """
    with passable_directory() as directory:
        environment = sabotaged(directory / "broken", code, WORKER)
        with start_product(
            directory / "data", "--workers", "2", "--renderers", "1", environment=environment
        ) as product:
            began = product.data / "began"
            assert eventually(lambda: product.query("SELECT 1 FROM periodic_tasks WHERE name = 'gc'") != [], within=20)
            product.query("UPDATE periodic_tasks SET due_at = now() WHERE name = 'gc'")
            assert eventually(began.exists, within=20)
            ((name,),) = product.query("SELECT worker_id FROM procrastinate_jobs WHERE task_name = 'gc'")
            assert name is not None
            for pid in pids(product, "worker"):  # nobody says which of the two has it
                os.kill(pid, signal.SIGKILL)
            assert eventually(lambda: gc_outcome(product) == "done", within=60)
            assert began.read_text() == "xx"
            # The run says how it went before the queue hears that its job is done.
            assert eventually(lambda: product.query("SELECT 1 FROM procrastinate_jobs WHERE task_name = 'gc'") == [])


def gc_outcome(product: Product) -> str | None:
    ((outcome,),) = product.query("SELECT outcome FROM periodic_tasks WHERE name = 'gc'")
    return str(outcome)


def test_a_schedule_is_in_utc() -> None:
    assert next_due("30 3 * * *", datetime(2026, 11, 20, 3, 30, tzinfo=UTC)) == datetime(
        2026, 11, 21, 3, 30, tzinfo=UTC
    )
