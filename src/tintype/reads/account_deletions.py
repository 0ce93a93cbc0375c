"""The receipt of an account's deletion: what was removed, every image with its own receipt, and what a hold keeps.

Whoever deleted the account has a token for it, since nobody can sign in any more; the operator needs none.
"""

from dataclasses import dataclass
from typing import Final

from tintype.db.account_deletions import (
    Deletion,
    PurgedWith,
    count_purged,
    get_deletion,
    kept_images,
    purged_with,
    tenant_of_deletion,
)
from tintype.db.pool import Database
from tintype.domain.actor import Actor, Scope
from tintype.domain.errors import Code, Problem
from tintype.domain.ids import ImageRef
from tintype.domain.tokens import Token

MOST_KEPT: Final = 1_000
"""Images on hold that are named; a court that holds more has a list of its own."""


@dataclass(frozen=True, slots=True)
class DeletionReceipt:
    """A deletion, how many images it purged, a page of their receipts, and the images that a hold keeps.

    `next` is the id of the last image of the page, None after the last.
    """

    deletion: Deletion
    purged: int
    page: tuple[PurgedWith, ...]
    next: int | None
    kept: tuple[ImageRef, ...]


class AccountDeletions:
    """Finds receipts."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def get(
        self, account: int, *, actor: Actor | None, token: Token | None, after: int, limit: int
    ) -> DeletionReceipt:
        """Return the receipt for whoever may read it; to others there is none.

        `Problem`: not_found, auth.required without a credential.
        """
        if actor is None and token is None:
            raise Problem(Code.AUTH_REQUIRED, "Send the token that the deletion was answered with as Deletion-Token.")
        async with self._database.lookup() as connection:
            tenant = await tenant_of_deletion(connection, account)
        found = await self._read(tenant, account, after, limit) if tenant is not None else None
        if found is None or not _may_read(found.deletion, actor, token):
            raise Problem(Code.NOT_FOUND, "There is no such receipt.")
        return found

    async def of(self, tenant: int, account: int) -> DeletionReceipt:
        """Return the receipt of an account that was just deleted, without its images."""
        found = await self._read(tenant, account, 0, 0)
        if found is None:
            raise LookupError(account)
        return found

    async def _read(self, tenant: int, account: int, after: int, limit: int) -> DeletionReceipt | None:
        async with self._database.transaction(tenant) as connection:
            deletion = await get_deletion(connection, account)
            if deletion is None:
                return None
            since = deletion.requested_at
            purged = await count_purged(connection, tenant=tenant, owner=account, since=since)
            page = await purged_with(
                connection, tenant=tenant, owner=account, since=since, after=after, limit=limit + 1
            )
            kept = await kept_images(connection, tenant=tenant, owner=account, limit=MOST_KEPT)
        more = len(page) > limit
        shown = page[:limit]
        return DeletionReceipt(deletion, purged, shown, shown[-1].ref.id if more and shown else None, kept)


def _may_read(deletion: Deletion, actor: Actor | None, token: Token | None) -> bool:
    if token is not None and token.id == deletion.account and token.matches(deletion.token_hash):
        return True
    return actor is not None and actor.may(Scope.AUDIT, tenant=deletion.tenant, owner=None)
