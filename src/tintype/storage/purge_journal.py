"""The purge journal: what was purged, kept beside the bytes, so that a restored backup never brings an image back.

Each purge is a small blob of its own, `journal/purges/{day}/{image}.json`, durable before the purge is acknowledged and
before the bytes go. It grows by one file for each purge: a day that is over for a week is bundled into a few larger
blobs, and a day that no backup can be older than is dropped. Both may be cut off at any moment: a purge that is there
twice is replayed twice, which changes nothing.
"""

import hashlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Final

from tintype.domain.keys import JOURNAL_PREFIX, journal_day_prefix
from tintype.domain.purge import NotAPurge, Purge, purge_from_line
from tintype.ports.blobs import BlobMissing, BlobStore

BUNDLE_PURGES: Final = 10_000
"""Entries of one bundle: 2 MB, held in memory while it is written or read."""

BUNDLED_AFTER: Final = timedelta(days=7)
"""Until then each entry can be looked up by its image, which is how `gc` notices one that is missing."""

_BUNDLE: Final = "bundle-"


@dataclass(frozen=True, slots=True)
class DamagedEntry:
    """A blob of the journal that cannot be read as one."""

    key: str


class PurgeJournal:
    """The journal in a blob store."""

    def __init__(self, blobs: BlobStore) -> None:
        self._blobs = blobs

    async def append(self, purge: Purge) -> bool:
        """Keep the purge durably; return whether it was not kept yet. Raises what `BlobStore.put` raises."""
        return await self._put(_entry_key(purge.image, purge.purged_at), purge.as_line().encode())

    async def has(self, image: int, purged_at: datetime) -> bool:
        """Return whether the purge has an entry of its own, as it must have until it is bundled."""
        return await self._blobs.head(_entry_key(image, purged_at)) is not None

    async def entries(self) -> AsyncIterator[Purge | DamagedEntry]:
        """Give every purge, day by day, and what is damaged; some may come twice."""
        async for found in self._blobs.list(JOURNAL_PREFIX):
            for entry in await self._read(found.key):
                yield entry

    async def bundle(self, now: datetime) -> int:
        """Put the entries of days that are long over together, and return how many."""
        bundled, latest = 0, (now - BUNDLED_AFTER).date()
        async for day in self._days():
            if day < latest:
                bundled += await self._bundle_day(day)
        return bundled

    async def drop(self, now: datetime, *, after: timedelta) -> int:
        """Remove the days that have been over for so long, and return how many blobs that were."""
        dropped, latest = 0, (now - after).date()
        async for day in self._days():
            if day < latest:
                async for found in self._blobs.list(journal_day_prefix(day)):
                    dropped += await self._blobs.delete(found.key)
        return dropped

    async def _days(self) -> AsyncIterator[date]:
        """Give each day that has an entry; keys come in the order of days."""
        last = None
        async for found in self._blobs.list(JOURNAL_PREFIX):
            day = _day_of(found.key)
            if day is not None and day != last:
                last = day
                yield day

    async def _bundle_day(self, day: date) -> int:
        bundled, keys = 0, list[str]()
        async for found in self._blobs.list(journal_day_prefix(day)):
            if _BUNDLE not in found.key:
                keys.append(found.key)
            if len(keys) == BUNDLE_PURGES:
                bundled, keys = bundled + await self._bundle_keys(day, keys), []
        return bundled + await self._bundle_keys(day, keys)

    async def _bundle_keys(self, day: date, keys: list[str]) -> int:
        if len(keys) < 2:
            return 0
        read = {key: await self._read(key) for key in keys}
        whole = {key: entry for key, (entry, *_) in read.items() if isinstance(entry, Purge)}
        content = "".join(purge.as_line() for purge in whole.values()).encode()
        await self._put(f"{journal_day_prefix(day)}{_BUNDLE}{hashlib.sha256(content).hexdigest()}.jsonl", content)
        for key in whole:
            await self._blobs.delete(key)
        return len(whole)

    async def _read(self, key: str) -> list[Purge | DamagedEntry]:
        try:
            content = b"".join([chunk async for chunk in await self._blobs.read(key)])
        except BlobMissing:  # bundled or dropped meanwhile
            return []
        try:
            return [purge_from_line(line) for line in content.decode().splitlines()] or [DamagedEntry(key)]
        except (UnicodeDecodeError, NotAPurge):
            return [DamagedEntry(key)]

    async def _put(self, key: str, content: bytes) -> bool:
        return await self._blobs.put(
            key, lambda: (content,), size=len(content), sha256=hashlib.sha256(content).hexdigest()
        )


def _entry_key(image: int, purged_at: datetime) -> str:
    return f"{journal_day_prefix(purged_at.astimezone(UTC).date())}{image:016x}.json"


def _day_of(key: str) -> date | None:
    try:
        return date.fromisoformat(key.removeprefix(JOURNAL_PREFIX).partition("/")[0])
    except ValueError:  # not ours, and left alone
        return None
