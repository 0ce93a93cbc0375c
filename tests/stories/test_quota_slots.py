"""Quotas beneath the product: the statement that counts, one by one and by many at once, on a database alone."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final, LiteralString

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from postgres import Server, fresh_database
from tintype.db.clock import DatabaseClock
from tintype.db.migrate import migrate
from tintype.db.pool import Connection, Database, DatabaseConfig
from tintype.db.usage import count_usage, set_quota, standing
from tintype.domain.errors import Code, Problem
from tintype.domain.quota import WHOLE_TENANT, DefaultQuotas, Quota, UsageChange
from tintype.usecases.count_requests import CountRequests


@pytest.fixture(scope="module")
def database_url(embedded_server: Server) -> str:
    url = fresh_database(embedded_server)
    migrate(url)
    return url


def query(url: str, statement: LiteralString, *parameters: object) -> list[tuple[Any, ...]]:
    with psycopg.connect(url, options="-c search_path=tintype", autocommit=True) as connection:
        cursor = connection.execute(statement, parameters)
        return cursor.fetchall() if cursor.description else []


@asynccontextmanager
async def opened(database_url: str, kind: type[Database] = Database) -> AsyncIterator[Database]:
    database = kind(DatabaseConfig(database_url))
    await database.open()
    try:
        yield database
    finally:
        await database.close()


async def tries(database: Database, tenant: int, size: int, defaults: DefaultQuotas, owner: int | None = None) -> bool:
    """Return whether an image of that size (one less, if it is negative) was let in."""
    change = UsageChange(bytes=size, images=1 if size > 0 else -1)
    try:
        async with database.transaction(tenant) as connection:
            await count_usage(connection, tenant=tenant, owner=owner, change=change, defaults=defaults)
    except Problem as problem:
        if problem.code is Code.QUOTA_EXCEEDED:
            return False
        raise
    return True


STEPS: Final = st.lists(
    st.one_of(
        st.tuples(st.just("add"), st.integers(1, 60)),
        st.tuples(st.just("add"), st.integers(1, 3)),
        st.tuples(st.just("purge"), st.integers(0, 1_000)),
        st.tuples(st.just("quota"), st.sampled_from([None, 0, 1, 40, 100, 101, 400])),
    ),
    max_size=40,
)


@given(steps=STEPS, images=st.sampled_from([None, 3, 12]))
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_one_after_the_other_an_upload_is_let_in_exactly_when_it_fits(
    database_url: str, steps: Sequence[tuple[str, int | None]], images: int | None
) -> None:
    async def story() -> None:
        tenant, quota, sizes = new_tenant(database_url), Quota(None, images), list[int]()
        async with opened(database_url) as database:
            for step, number in steps:
                if step == "quota":
                    quota = Quota(number, images)
                elif step == "add":
                    assert number is not None
                    fits = quota.max_bytes is None or sum(sizes) + number <= quota.max_bytes
                    fits = fits and (images is None or len(sizes) < images)
                    assert await tries(database, tenant, number, DefaultQuotas(tenant=quota)) is fits
                    sizes += [number] if fits else []
                elif sizes:
                    assert number is not None
                    assert await tries(database, tenant, -sizes.pop(number % len(sizes)), DefaultQuotas(tenant=quota))
            async with database.transaction(tenant) as connection:
                found = await standing(connection, tenant=tenant, account=WHOLE_TENANT, default=quota)
        assert (found.kept.bytes, found.kept.images) == (sum(sizes), len(sizes))

    asyncio.run(story())


def new_tenant(database_url: str) -> int:
    """Return a tenant that has nothing."""
    tenant = int(query(database_url, "SELECT count(*) + 1 FROM tenants")[0][0])
    query(database_url, "INSERT INTO tenants (id, slug) VALUES (%s, %s)", tenant, f"counted-{tenant}")
    return tenant


def test_uploads_and_purges_side_by_side_never_pass_the_quota_and_use_it_up(database_url: str) -> None:
    most, size = 300, 7

    async def story() -> None:
        tenant, quota = new_tenant(database_url), DefaultQuotas(tenant=Quota(most))
        async with opened(database_url) as database:

            async def one(number: int) -> int:
                taken = 0
                for step in range(12):
                    if taken and (number + step) % 4 == 0:
                        assert await tries(database, tenant, -size, quota)
                        taken -= 1
                    taken += await tries(database, tenant, size, quota)
                return taken

            taken = sum(await asyncio.gather(*(one(number) for number in range(8))))
            while taken <= most // size and await tries(database, tenant, size, quota):
                taken += 1
            async with database.transaction(tenant) as connection:
                found = await standing(connection, tenant=tenant, account=WHOLE_TENANT, default=quota.tenant)
            assert found.kept.bytes == taken * size == most // size * size

    asyncio.run(story())


def test_a_quota_that_is_set_while_uploads_run_holds_for_what_begins_after_it(database_url: str) -> None:
    async def story() -> None:
        tenant, free = new_tenant(database_url), DefaultQuotas()
        async with opened(database_url) as database:
            for _ in range(20):
                assert await tries(database, tenant, 5, free)
            for quota, fits in ((Quota(100), False), (Quota(105), True), (Quota(None, 21), False), (Quota(), True)):
                async with database.transaction(tenant) as connection:
                    await set_quota(connection, tenant=tenant, account=WHOLE_TENANT, quota=quota)
                assert await tries(database, tenant, 5, free) is fits

    asyncio.run(story())


# Requests


class Unhearing(Database):
    """Loses what the server answers to its first commit."""

    lost = False

    @asynccontextmanager
    async def transaction(self, tenant: int) -> AsyncIterator[Connection]:
        """Give a transaction, and forget that it was committed."""
        async with super().transaction(tenant) as connection:
            yield connection
        if not self.lost:
            self.lost = True
            raise OSError("the answer was lost")


def test_requests_are_added_once_when_a_commit_was_not_heard_of_and_when_a_process_stops(database_url: str) -> None:
    tenant, account = new_tenant(database_url), 4711

    def counted() -> list[tuple[Any, ...]]:
        statement = "SELECT account, sum(requests)::int8 FROM usage_days WHERE tenant = %s GROUP BY 1 ORDER BY 1"
        return query(database_url, statement, tenant)

    async def story() -> None:
        async with opened(database_url, Unhearing) as database:
            count_requests = CountRequests(database=database, clock=DatabaseClock(database))
            count_requests.start()
            for _ in range(7):
                count_requests(tenant, account)
            count_requests(tenant, None)
            with pytest.raises(OSError, match="lost"):
                await count_requests.add_up()
            assert counted() == [(WHOLE_TENANT, 8), (account, 7)]
            count_requests(tenant, None)
            await count_requests.close()
            assert counted() == [(WHOLE_TENANT, 9), (account, 7)]

    asyncio.run(story())
