"""The store and the rows side by side: one walk through all keys beside pages of rows, in the memory of a page.

Both come in the order of keys, so that one pass tells what is only here, only there, or in both. What it says is a
suspicion: uploads, jobs and purges go on meanwhile. Whoever acts on it, or accuses anybody, looks again under a lock.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, TypeVar

from tintype.db.inventory import (
    BlobRecord,
    ImageFacts,
    Reference,
    Stub,
    VariantRecord,
    blob_page,
    image_page,
    presets_in,
    reference_page,
    stub_page,
    variant_page,
)
from tintype.db.pool import Connection, Database
from tintype.domain.ids import BUCKETS, blob_bucket
from tintype.domain.keys import ORIGINAL, original_key
from tintype.ports.blobs import BlobInfo, BlobStore

PAGE_ROWS: Final = 1000
"""Rows of one statement: some 300 kB, and a few milliseconds."""

_FIRST_WINDOW: Final = 64
"""Buckets that the first statement looks into; the next look into twice as many until a page is full."""

_PRESET_WINDOW: Final = 128
"""Buckets of a statement that reads every row in them, within a statement's 10 s for a hundred million variants."""

_Row = TypeVar("_Row")


@dataclass(frozen=True, slots=True)
class Recorded:
    """A file that rows say is there: a tenant's stored bytes or a variant."""

    tenant: int
    key: str
    record: BlobRecord | VariantRecord

    @property
    def size(self) -> int:
        """The bytes that the file must have."""
        return self.record.size if isinstance(self.record, BlobRecord) else self.record.row.size


@dataclass(frozen=True, slots=True)
class Place:
    """A key, what lies there and what is recorded of it; one of the two at least."""

    key: str
    file: BlobInfo | None
    recorded: Recorded | None


class Inventory:
    """What rows and store hold."""

    def __init__(self, database: Database, blobs: BlobStore) -> None:
        self._database = database
        self._blobs = blobs

    async def places(self, tenants: Sequence[int]) -> AsyncIterator[Place]:
        """Give every key of the store, and every one that a row of these tenants names, in the order of keys."""
        files, rows = self._blobs.list(), self._recorded(tenants)
        file, row = await anext(files, None), await anext(rows, None)
        while file is not None or row is not None:
            here, there = file.key if file else "~", row.key if row else "~"  # "~" comes after every key
            key = min(here, there)
            yield Place(key, file if here == key else None, row if there == key else None)
            if here == key:
                file = await anext(files, None)
            if there == key:
                row = await anext(rows, None)

    async def references(self, tenant: int) -> AsyncIterator[list[Reference]]:
        """Give every reference of the tenant, in pages."""

        async def fetch(connection: Connection, buckets: Sequence[int], last: Reference | None) -> list[Reference]:
            after = last or Reference(b"", -1, -1)
            return await reference_page(connection, tenant=tenant, buckets=buckets, after=after, limit=PAGE_ROWS)

        async for page in self._pages(tenant, fetch, lambda reference: reference.sha256):
            yield page

    async def images(self, tenant: int) -> AsyncIterator[list[ImageFacts]]:
        """Give every image of the tenant that is not purged, in pages, the newest first."""
        before = 2**63 - 1
        while True:
            async with self._database.transaction(tenant) as connection:
                page = await image_page(connection, tenant=tenant, before=before, limit=PAGE_ROWS)
            if not page:
                return
            yield page
            before = page[-1].id

    async def stubs(self, tenant: int, *, since: datetime | None = None) -> AsyncIterator[list[Stub]]:
        """Give the stubs of the tenant's images that were purged since then, in pages, the oldest first."""
        after = (since or datetime.min.replace(tzinfo=UTC), -1)
        while True:
            async with self._database.transaction(tenant) as connection:
                page = await stub_page(connection, tenant=tenant, after=after, limit=PAGE_ROWS)
            if not page:
                return
            yield page
            after = (page[-1].purged_at, page[-1].id)

    # Rows, in the order of the keys they name

    async def _recorded(self, tenants: Sequence[int]) -> AsyncIterator[Recorded]:
        for tenant in sorted(tenants, key=lambda tenant: f"{tenant:x}/"):
            for section in sorted({ORIGINAL, *await self._presets(tenant)}, key=lambda section: section + "/"):
                rows = self._originals(tenant) if section == ORIGINAL else self._variants(tenant, section)
                async for row in rows:
                    yield row

    async def _presets(self, tenant: int) -> set[str]:
        found = set[str]()
        for first in range(0, BUCKETS, _PRESET_WINDOW):
            async with self._database.transaction(tenant) as connection:
                found |= await presets_in(connection, tenant=tenant, buckets=range(first, first + _PRESET_WINDOW))
        return found

    async def _originals(self, tenant: int) -> AsyncIterator[Recorded]:
        async def fetch(connection: Connection, buckets: Sequence[int], last: BlobRecord | None) -> list[BlobRecord]:
            after = last.sha256 if last else b""
            return await blob_page(connection, tenant=tenant, buckets=buckets, after=after, limit=PAGE_ROWS)

        async for page in self._pages(tenant, fetch, lambda blob: blob.sha256):
            for blob in page:
                yield Recorded(tenant, original_key(tenant, blob.sha256), blob)

    async def _variants(self, tenant: int, preset: str) -> AsyncIterator[Recorded]:
        async def fetch(
            connection: Connection, buckets: Sequence[int], last: VariantRecord | None
        ) -> list[VariantRecord]:
            after = (last.sha256, last.row.digest) if last else (b"", "")
            return await variant_page(
                connection, tenant=tenant, preset=preset, buckets=buckets, after=after, limit=PAGE_ROWS
            )

        async for page in self._pages(tenant, fetch, lambda variant: variant.sha256):
            for variant in page:
                yield Recorded(tenant, variant.row.key(tenant=tenant, sha256=variant.sha256), variant)

    async def _pages(
        self,
        tenant: int,
        fetch: Callable[[Connection, Sequence[int], _Row | None], Awaitable[list[_Row]]],
        sha256_of: Callable[[_Row], bytes],
    ) -> AsyncIterator[list[_Row]]:
        """Give pages of rows; each statement looks into as many buckets as the last ones let expect a page of."""
        first, width, last = 0, _FIRST_WINDOW, None
        while first < BUCKETS:
            buckets = range(first, min(first + width, BUCKETS))
            async with self._database.transaction(tenant) as connection:
                page = await fetch(connection, buckets, last)
            if page:
                yield page
                last = page[-1]
            if len(page) < PAGE_ROWS:
                first, width = buckets.stop, width * 2
            else:
                first, width = blob_bucket(sha256_of(page[-1])), max(1, width // 2)
