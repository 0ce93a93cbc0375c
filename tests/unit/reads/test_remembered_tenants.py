"""How long a tenant is believed, and that nothing is believed of it that a change was heard of since."""

import asyncio
import time
from collections.abc import Callable, Coroutine
from typing import Any, cast

from tintype.domain.errors import Code, Problem
from tintype.reads.tenants import REMEMBER_SECONDS, Installation, Tenants, TenantSettings

TENANT = 7


class Reads(Tenants):
    """Tenants whose database is a function: it counts, and waits until it is let go."""

    def __init__(self) -> None:
        super().__init__(cast("Any", None), cast("Installation", type("I", (), {"kinds": {"image": None}})()))
        self.reads = 0
        self.go = asyncio.Event()
        self.go.set()
        self.missing = False
        self.began = time.monotonic

    async def _read(self, tenant: int) -> TenantSettings:
        self.reads += 1
        number = self.reads
        await self.go.wait()
        if self.missing:
            raise Problem(Code.NOT_FOUND, "There is no such tenant.")
        found = type("T", (), {"id": tenant, "revision": number})()
        return TenantSettings(cast("Any", found), {}, anonymous_uploads=True, loaded=self.began())


def run(story: Callable[[], Coroutine[None, None, None]]) -> None:
    asyncio.run(asyncio.wait_for(story(), 10))


def test_what_many_ask_for_at_once_is_read_once_and_remembered() -> None:
    async def story() -> None:
        tenants = Reads()
        await asyncio.gather(*(tenants.get(TENANT) for _ in range(20)))
        await tenants.get(TENANT)
        assert tenants.reads == 1

    run(story)


def test_a_tenant_is_believed_for_less_than_five_seconds() -> None:
    async def story() -> None:
        tenants = Reads()
        tenants.began = lambda: time.monotonic() - REMEMBER_SECONDS
        await tenants.get(TENANT)
        await tenants.get(TENANT)
        assert tenants.reads == 2
        assert REMEMBER_SECONDS < 5

    run(story)


def test_a_read_under_way_when_a_change_is_heard_of_is_not_believed_by_those_who_ask_later() -> None:
    async def story() -> None:
        tenants = Reads()
        tenants.go.clear()
        early = asyncio.create_task(tenants.get(TENANT))
        await asyncio.sleep(0)
        tenants.forget(TENANT)
        late = asyncio.create_task(tenants.get(TENANT))
        await asyncio.sleep(0)
        tenants.go.set()
        assert [found.tenant.revision for found in await asyncio.gather(early, late)] == [1, 2]
        assert (await tenants.get(TENANT)).tenant.revision == 2

    run(story)


def test_a_tenant_that_is_not_there_is_asked_for_again_and_has_the_installation_s_kinds() -> None:
    async def story() -> None:
        tenants = Reads()
        tenants.missing = True
        for _ in range(2):
            assert list(await tenants.kinds_of(TENANT)) == ["image"]
        assert tenants.reads == 2

    run(story)


def test_whoever_stops_waiting_takes_nothing_from_the_others() -> None:
    async def story() -> None:
        tenants = Reads()
        tenants.go.clear()
        first, second = (asyncio.create_task(tenants.get(TENANT)) for _ in range(2))
        await asyncio.sleep(0)
        first.cancel()
        await asyncio.sleep(0)
        tenants.go.set()
        assert (await second).tenant.id == TENANT
        assert tenants.reads == 1

    run(story)
