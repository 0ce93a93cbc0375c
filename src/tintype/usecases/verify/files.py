"""Files held against rows: one walk through every key beside every row, and unless it is quick, through every byte."""

import asyncio
from collections.abc import Collection
from typing import Final

from tintype.db.blobs import is_referenced, share_blob
from tintype.db.inventory import BlobRecord, VariantRecord, references_of, sizes_of
from tintype.db.pool import Connection
from tintype.db.variants import list_variants
from tintype.domain.ids import image_name
from tintype.domain.invariant import Invariant
from tintype.domain.keys import (
    ACCOUNT_JOURNAL_PREFIX,
    EXPORT_PREFIX,
    JOURNAL_PREFIX,
    PROBE_PREFIX,
    StoredKey,
    named_digest,
    parse_key,
    parse_staging_key,
)
from tintype.ports.blobs import BlobInfo, BlobMissing
from tintype.storage.inventory import Place, Recorded
from tintype.storage.soundness import sha256_in
from tintype.usecases.verify.run import Run
from tintype.usecases.verify.staged import verify_staged_file

AT_ONCE: Final = 4
"""Files that are read at once: more makes a disk no quicker, and delivery needs it, too."""


async def verify_files(run: Run, tenants: list[int]) -> None:
    """Go through every key of the store and every row that names one."""
    known, waiting = frozenset(tenants), list[Place]()
    async for place in run.inventory.places(tenants):
        run.keys += 1
        run.looked()
        waiting.append(place)
        if len(waiting) == AT_ONCE:
            await asyncio.gather(*(_verify_place(run, found, known) for found in waiting))
            waiting = []
    await asyncio.gather(*(_verify_place(run, found, known) for found in waiting))


async def _verify_place(run: Run, place: Place, tenants: Collection[int]) -> None:
    if place.recorded is None:
        if place.file is not None:
            await _verify_unknown(run, place.file, tenants)
        return
    recorded = place.recorded
    if place.file is None:
        await _verify_missing(run, recorded)
    elif place.file.size != recorded.size:
        await _verify_size(run, recorded)
    elif not run.quick:
        await _verify_bytes(run, recorded)
    if isinstance(recorded.record, BlobRecord) and not recorded.record.referenced:
        await _verify_use(run, recorded, recorded.record)
    if isinstance(recorded.record, VariantRecord) and not recorded.record.has_blob:
        run.accuse(Invariant.REFERENCES, f"{recorded.key} is recorded, and the blob that it was made of is not")


# What a row says, looked at again under the lock that a purge would hold


async def _verify_missing(run: Run, recorded: Recorded) -> None:
    sha256 = recorded.record.sha256
    async with run.database.transaction(recorded.tenant) as connection:
        await share_blob(connection, tenant=recorded.tenant, sha256=sha256)
        if not await _is_recorded(connection, recorded) or await run.blobs.head(recorded.key) is not None:
            return
        holders = await references_of(connection, tenant=recorded.tenant, sha256s=[sha256])
    if isinstance(recorded.record, VariantRecord):
        run.accuse(Invariant.REFERENCES, f"{recorded.key} is recorded and not there")
        return
    for image, _ in sorted(holders.get(sha256, ())):
        run.accuse(Invariant.DURABLE, f"the bytes of {image_name(image)} are lost: {recorded.key}")


async def _is_recorded(connection: Connection, recorded: Recorded) -> bool:
    """Return whether the row is still there, as it was."""
    tenant, record = recorded.tenant, recorded.record
    if isinstance(record, BlobRecord):
        sizes = await sizes_of(connection, tenant=tenant, sha256s=[record.sha256])
        return sizes.get(record.sha256) == record.size
    return record.row in await list_variants(connection, tenant=tenant, sha256=record.sha256)


async def _is_recorded_still(run: Run, recorded: Recorded) -> bool:
    async with run.database.transaction(recorded.tenant) as connection:
        return await _is_recorded(connection, recorded)


async def _verify_size(run: Run, recorded: Recorded) -> None:
    found = await run.blobs.head(recorded.key)
    if found is not None and found.size != recorded.size and await _is_recorded_still(run, recorded):
        run.accuse(Invariant.ATOMIC, f"{recorded.key} has {found.size} bytes instead of {recorded.size}")


async def _verify_bytes(run: Run, recorded: Recorded) -> None:
    record = recorded.record
    wanted = record.sha256 if isinstance(record, BlobRecord) else record.row.file_sha256
    try:
        sha256 = await sha256_in(run.blobs, recorded.key)
    except BlobMissing:
        await _verify_missing(run, recorded)
        return
    run.hashed_bytes += recorded.size
    if sha256 is None:
        run.accuse(Invariant.SOUND, f"{recorded.key} cannot be read")
    elif sha256 != wanted.hex() and await _is_recorded_still(run, recorded):
        run.accuse(Invariant.SOUND, f"{recorded.key} holds other bytes than were stored")


async def _verify_use(run: Run, recorded: Recorded, blob: BlobRecord) -> None:
    """A blob that nothing refers to is a purge that has not come to its end; it has the grace period for that."""
    if blob.age_seconds < run.grace.total_seconds():
        return
    async with run.database.transaction(recorded.tenant) as connection:
        there = await share_blob(connection, tenant=recorded.tenant, sha256=blob.sha256)
        if there and not await is_referenced(connection, tenant=recorded.tenant, sha256=blob.sha256):
            run.accuse(Invariant.REFERENCES, f"nothing refers to {recorded.key}")


# What no row knows


async def _verify_unknown(run: Run, file: BlobInfo, tenants: Collection[int]) -> None:
    if file.key.startswith((JOURNAL_PREFIX, ACCOUNT_JOURNAL_PREFIX, EXPORT_PREFIX, PROBE_PREFIX)):
        return
    if (staged := parse_staging_key(file.key)) is not None and staged[0] in tenants:
        await verify_staged_file(run, file, *staged)
        return
    stored = parse_key(file.key)
    if stored is None or stored.tenant not in tenants:
        run.foreign += 1
        return
    if not run.quick and not await _is_what_it_says(run, file):
        run.accuse(Invariant.ATOMIC, f"{file.key}, which no row knows, is not what its name says")
    if run.is_overdue(file):
        await _verify_unrecorded(run, file.key, stored)


async def _is_what_it_says(run: Run, file: BlobInfo) -> bool:
    try:
        sha256 = await sha256_in(run.blobs, file.key)
    except BlobMissing:
        return True
    run.hashed_bytes += file.size
    return sha256 is not None and sha256.startswith(named_digest(file.key))


async def _verify_unrecorded(run: Run, key: str, stored: StoredKey) -> None:
    tenant, sha256 = stored.tenant, stored.sha256
    async with run.database.transaction(tenant) as connection:
        has_blob = await share_blob(connection, tenant=tenant, sha256=sha256)
        rows = await list_variants(connection, tenant=tenant, sha256=sha256)
        gone = await run.blobs.head(key) is None
    if gone or (stored.digest is None and has_blob) or key in {row.key(tenant=tenant, sha256=sha256) for row in rows}:
        return
    if stored.digest in {row.digest for row in rows}:
        run.accuse(Invariant.IDEMPOTENT, f"{key} was stored beside the variant that is recorded")
    else:
        run.accuse(Invariant.REFERENCES, f"no row knows {key}")
