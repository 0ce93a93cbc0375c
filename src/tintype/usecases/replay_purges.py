"""The story of purges that a restored backup has forgotten.

A database that was put back to an older day shows images that were purged since, and accounts that were deleted. The
journal lies beside the bytes and names each of them: whatever of it is alive is purged again, and its bytes go, if they
came back with the backup. An image that the backup knows as an upload alone, because it was made just then, would be
made once more: that upload is aborted. What is purged already stays as it is, so that this may be cut off, repeated, or
run when nothing was restored.
"""

from collections import Counter
from collections.abc import Awaitable, Callable

from tintype.db.pool import Database
from tintype.domain.keys import original_key, parse_key
from tintype.domain.purge import Purge
from tintype.ports.blobs import BlobStore
from tintype.storage.account_journal import AccountJournal
from tintype.storage.purge_journal import DamagedEntry, PurgeJournal
from tintype.storage.removal import remove_unknown

DeleteAgain = Callable[[int, int], Awaitable[bool]]
"""Deletes a tenant's account if it is alive, or not deleted to the end; says whether there was anything to do."""

PurgeAgain = Callable[[int, int], Awaitable[bool]]
"""Purges a tenant's image if it is alive, whoever asks; says whether it was."""

AbortAgain = Callable[[int, int], Awaitable[object]]
"""Aborts the tenant's upload that has the image's id; returns it, None when there is none or it has ended."""


class ReplayPurges:
    """Purges again what the journal says was purged."""

    def __init__(
        self,
        *,
        database: Database,
        blobs: BlobStore,
        purge_again: PurgeAgain,
        abort_again: AbortAgain,
        delete_again: DeleteAgain,
    ) -> None:
        self._database = database
        self._blobs = blobs
        self._journal = PurgeJournal(blobs)
        self._accounts = AccountJournal(blobs)
        self._purge_again = purge_again
        self._abort_again = abort_again
        self._delete_again = delete_again

    async def __call__(
        self, *, notice: Callable[[Purge], None] = lambda _: None, looked: Callable[[], None] = lambda: None
    ) -> dict[str, object]:
        """Return how many purges there are, how many images were alive and whose bytes were there, and what is damaged.

        Likewise of deleted accounts. `notice` is told of each image that was alive.
        """
        accounts = await self._delete_accounts(looked)
        read = alive = blobs = damaged = 0
        async for entry in self._journal.entries():
            looked()
            if not isinstance(entry, Purge):
                damaged += 1
                continue
            read += 1
            aborted = await self._abort_again(entry.tenant, entry.image) is not None  # before it becomes the image
            if await self._purge_again(entry.tenant, entry.image) or aborted:
                alive += 1
                notice(entry)
            for sha256 in entry.sha256s:
                blobs += await self._remove_if_there(entry.tenant, sha256)
        return {
            "purges": read,
            "purged_again": alive,
            "blobs_removed": blobs,
            "accounts": accounts["read"],
            "accounts_deleted_again": accounts["alive"],
            "damaged": damaged + accounts["damaged"],
        }

    async def _delete_accounts(self, looked: Callable[[], None]) -> Counter[str]:
        found = Counter[str]()
        async for entry in self._accounts.entries():
            looked()
            if isinstance(entry, DamagedEntry):
                found["damaged"] += 1
                continue
            found["read"] += 1
            found["alive"] += await self._delete_again(entry.tenant, entry.account)
        return found

    async def _remove_if_there(self, tenant: int, sha256: bytes) -> bool:
        """Remove bytes that came back without a row; their variants, which nobody can ask for, are left to `gc`."""
        key = original_key(tenant, sha256)
        stored = parse_key(key)
        if stored is None or await self._blobs.head(key) is None:
            return False
        return await remove_unknown(self._database, self._blobs, key, stored)
