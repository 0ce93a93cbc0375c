"""Purges held against what is left: stubs, the journal, and the bytes that the journal says are gone."""

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

from tintype.db.blobs import is_referenced
from tintype.db.inventory import image_facts
from tintype.domain.ids import image_name
from tintype.domain.image import State
from tintype.domain.invariant import Invariant
from tintype.domain.keys import original_key
from tintype.domain.purge import Purge
from tintype.storage.purge_journal import BUNDLED_AFTER, DamagedEntry, PurgeJournal
from tintype.usecases.verify.run import Run

_T = TypeVar("_T")

BATCH: Final = 500
"""Purges that are looked up at once."""

RECHECK_SECONDS: Final = 2.0
"""A purge under way is over by then: what is still wrong was not left behind by one."""

UPLOAD_SECONDS: Final = 10.0
"""From an upload's last byte to its file's name, on a busy machine: a file that is no older than this when its bytes
are purged may have been sent again meanwhile."""


async def verify_purges(run: Run, tenants: list[int]) -> None:
    """Go through the stubs of these tenants, and through the journal."""
    journal = PurgeJournal(run.blobs)
    for tenant in tenants:
        await _verify_stubs(run, tenant, journal)
    batch: list[Purge] = []
    async for entry in journal.entries():
        run.looked()
        if isinstance(entry, DamagedEntry):
            run.accuse(Invariant.SOUND, f"{entry.key} is no entry of the journal")
            continue
        batch.append(entry)
        if len(batch) == BATCH:
            await _verify_journal(run, batch)
            batch = []
    await _verify_journal(run, batch)


async def _verify_stubs(run: Run, tenant: int, journal: PurgeJournal) -> None:
    async for stubs in run.inventory.stubs(tenant):
        for stub in stubs:
            if not stub.empty:
                run.accuse(Invariant.DELETED, f"{image_name(stub.id)} is purged, and words or hashes of it are left")
    async for stubs in run.inventory.stubs(tenant, since=run.now - BUNDLED_AFTER):
        unjournalled = [stub for stub in stubs if not await journal.has(stub.id, stub.purged_at)]
        for stub in await _still(unjournalled, lambda stub: journal.has(stub.id, stub.purged_at)):
            run.accuse(Invariant.DELETED, f"{image_name(stub.id)} is purged, and the journal does not say so")


async def _verify_journal(run: Run, purges: list[Purge]) -> None:
    by_tenant: dict[int, list[Purge]] = defaultdict(list)
    for purge in purges:
        by_tenant[purge.tenant].append(purge)
    for tenant, ours in by_tenant.items():
        async with run.database.transaction(tenant) as connection:
            images = await image_facts(connection, [purge.image for purge in ours])
        for purge in ours:
            image = images.get(purge.image)
            if image is not None and image.state is not State.PURGED:
                run.accuse(Invariant.DELETED, f"{image_name(purge.image)} was purged at {purge.purged_at} and is alive")
    places: dict[tuple[int, bytes], float] = defaultdict(float)
    for purge in purges:
        for sha256 in purge.sha256s:
            place = purge.tenant, sha256
            places[place] = max(places[place], purge.purged_at.timestamp())
    kept = [place for place in sorted(places.items()) if not await _is_gone_or_used(run, place)]
    for (tenant, sha256), _ in await _still(kept, lambda place: _is_gone_or_used(run, place)):
        run.accuse(Invariant.DELETED, f"the bytes of a purged image are still there: {original_key(tenant, sha256)}")


async def _is_gone_or_used(run: Run, place: tuple[tuple[int, bytes], float]) -> bool:
    """Return whether no file is there that the purge should have removed.

    One that came after it is an upload's, or what is left of one that was cut off: unreferenced, as others are, and
    gone after the grace period.
    """
    (tenant, sha256), purged_at = place
    file = await run.blobs.head(original_key(tenant, sha256))
    if file is None or (file.modified > purged_at - UPLOAD_SECONDS and not run.is_overdue(file)):
        return True
    async with run.database.transaction(tenant) as connection:
        return await is_referenced(connection, tenant=tenant, sha256=sha256)


async def _still(suspects: list[_T], is_fine: Callable[[_T], Awaitable[bool]]) -> list[_T]:
    """Return those of the suspects that are not fine a moment later either."""
    if not suspects:
        return []
    await asyncio.sleep(RECHECK_SECONDS)
    return [suspect for suspect in suspects if not await is_fine(suspect)]
