"""The journal of deleted accounts, beside that of purged images and for the same reason: no backup brings one back.

Each is a blob of its own, `journal/accounts/{day}/{account}.json`, durable before the deletion is acknowledged where
the store allows that, else before the job that deletes is done. People leave rarely, so days are not bundled; one that
no backup can be older than is dropped.
"""

import hashlib
from collections.abc import AsyncIterator
from datetime import UTC, date, datetime, timedelta

from tintype.domain.deleted_account import DeletedAccount, NotADeletion, deleted_account_from_line
from tintype.domain.keys import ACCOUNT_JOURNAL_PREFIX
from tintype.ports.blobs import BlobMissing, BlobStore
from tintype.storage.purge_journal import DamagedEntry


class AccountJournal:
    """The journal in a blob store."""

    def __init__(self, blobs: BlobStore) -> None:
        self._blobs = blobs

    async def append(self, deleted: DeletedAccount) -> bool:
        """Keep the entry durably; return whether it was not kept yet. Raises what `BlobStore.put` raises."""
        content = deleted.as_line().encode()
        sha256 = hashlib.sha256(content).hexdigest()
        return await self._blobs.put(_key(deleted), lambda: (content,), size=len(content), sha256=sha256)

    async def entries(self) -> AsyncIterator[DeletedAccount | DamagedEntry]:
        """Give every entry, day by day, and what is damaged."""
        async for found in self._blobs.list(ACCOUNT_JOURNAL_PREFIX):
            try:
                content = b"".join([chunk async for chunk in await self._blobs.read(found.key)])
                yield deleted_account_from_line(content.decode())
            except BlobMissing:  # dropped meanwhile
                continue
            except (UnicodeDecodeError, NotADeletion):
                yield DamagedEntry(found.key)

    async def drop(self, now: datetime, *, after: timedelta) -> int:
        """Remove the days that have been over for so long, and return how many entries that were."""
        dropped, latest = 0, (now - after).date()
        async for found in self._blobs.list(ACCOUNT_JOURNAL_PREFIX):
            day = _day_of(found.key)
            if day is not None and day < latest:
                dropped += await self._blobs.delete(found.key)
        return dropped


def _key(deleted: DeletedAccount) -> str:
    day = deleted.deleted_at.astimezone(UTC).date().isoformat()
    return f"{ACCOUNT_JOURNAL_PREFIX}{day}/{deleted.account:016x}.json"


def _day_of(key: str) -> date | None:
    try:
        return date.fromisoformat(key.removeprefix(ACCOUNT_JOURNAL_PREFIX).partition("/")[0])
    except ValueError:  # not ours, and left alone
        return None
