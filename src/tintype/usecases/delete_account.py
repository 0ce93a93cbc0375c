"""The story of a person who leaves.

One transaction closes the account: its row is emptied, every session, key and credential goes, the receipt begins, the
job is enqueued, every process is told. From its commit on nobody signs in, and nothing that the account has is shown.
Then the journal learns of it, so that no restored backup brings the account back, and the job purges the images one by
one through the story of purges, each with its own receipt and proof. What a legal hold keeps stays, out of sight, and
the receipt names it.

There is no time to think it over: who asks has just shown who they are, and a deletion that can be taken back is one
that somebody else can take back, too. The name stays reserved for a while, so that links to it lead to no impostor.

How it fails: before the commit nothing happened. After it every step may be repeated, in the job that a killed worker
leaves to the next one, and counts nothing twice. An upload that is under way takes the account's lock in share mode,
so it comes before the closing, and is found, or after it, and is refused.
"""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Final

from tintype.db.account_deletions import (
    Deletion,
    DeletionCause,
    add_removed,
    close_account,
    finish_deletion,
    get_deletion,
    hide_images,
    images_to_purge,
    insert_deletion,
    lock_state,
)
from tintype.db.audit import record
from tintype.db.jobs import enqueue_delete_account
from tintype.db.notify import Notifier, notify_account_at_once, notify_all_at_once
from tintype.db.personal_data import delete_rows
from tintype.db.pool import Connection, Database
from tintype.db.uploads import uploads_of
from tintype.domain.audit import NOBODY, Action, Entry, Requester, account_object
from tintype.domain.deleted_account import DeletedAccount
from tintype.domain.errors import Code, Problem
from tintype.domain.keys import exports_of
from tintype.domain.tokens import Token
from tintype.ports.blobs import BlobStore, BlobStoreFailed, BlobStoreFull
from tintype.storage.account_journal import AccountJournal

HIDDEN_AT_ONCE: Final = 1_000
"""Images that the job puts into the trash in one transaction, some 0.2 s, before it purges any: what a hold keeps must
not be shown again when somebody looks at it without its account."""

PAGE_IMAGES: Final = 200

JOURNAL_SECONDS: Final = 2.0
"""How long whoever leaves waits for the journal; the job stands in for a disk that takes longer."""

PurgeWithAccount = Callable[[int, int, int], Awaitable[bool]]
"""Purges an image of a tenant with the account that has it, unless a hold keeps it; says whether it did."""


AbortUpload = Callable[[int, int], Awaitable[object]]
"""Aborts an upload of a tenant, and returns what it holds."""


class DeleteAccount:
    """Deletes accounts."""

    def __init__(
        self,
        *,
        database: Database,
        blobs: BlobStore,
        notifier: Notifier,
        purge_image: PurgeWithAccount,
        abort_upload: AbortUpload,
    ) -> None:
        self._database = database
        self._blobs = blobs
        self._journal = AccountJournal(blobs)
        self._notifier = notifier
        self._purge_image = purge_image
        self._abort_upload = abort_upload

    async def __call__(
        self, *, tenant: int, account: int, by: Requester, cause: DeletionCause, token: Token | None = None
    ) -> Deletion:
        """Close the account and have everything of it removed; of one that is closed, return what is known of it.

        Whoever shows `token` may read the receipt. `Problem` not_found when there is no such account.
        """
        async with self._database.transaction(tenant) as connection:
            state = await lock_state(connection, account)
            deletion = await get_deletion(connection, account)
            if state is None or (state == "deleted" and deletion is None):
                raise Problem(Code.NOT_FOUND, "There is no such account.")
            if state != "deleted":
                deletion = await self._close(connection, tenant, account, by=by, cause=cause, token=token)
        if deletion is None:
            raise LookupError(account)
        self._notifier.jobs_enqueued()
        with suppress(BlobStoreFailed, BlobStoreFull, TimeoutError):  # closed it is, and the job writes it, too
            await asyncio.wait_for(self._journal.append(_entry(deletion)), JOURNAL_SECONDS)
        return deletion

    async def finish(self, *, tenant: int, account: int) -> None:
        """Remove all that is left of a closed account: the job. May be repeated, and cut off at any moment."""
        async with self._database.transaction(tenant) as connection:
            deletion = await get_deletion(connection, account)
        if deletion is None:
            return
        await self._journal.append(_entry(deletion))
        await self._abort_uploads(tenant, account)
        while await self._hide_some(tenant, account) == HIDDEN_AT_ONCE:
            pass
        await self._purge_images(tenant, account)
        async for found in self._blobs.list(exports_of(tenant, account)):
            await self._blobs.delete(found.key)
        async with self._database.transaction(tenant) as connection:
            await lock_state(connection, account)
            removed = await delete_rows(connection, account, last=True)
            await add_removed(connection, account, removed)
            if await finish_deletion(connection, account):
                named = account_object(account)
                await record(connection, Entry(action=Action.DELETED, by=NOBODY, account=account, object=named))

    async def again(self, tenant: int, account: int) -> bool:
        """Delete an account that came back though it was deleted, to the end; return whether it was there."""
        async with self._database.transaction(tenant) as connection:
            state = await lock_state(connection, account)
            deletion = await get_deletion(connection, account)
        if state is None or (state == "deleted" and (deletion is None or deletion.finished_at is not None)):
            return False
        if state != "deleted":
            await self(tenant=tenant, account=account, by=NOBODY, cause=DeletionCause.JOURNAL)
        await self.finish(tenant=tenant, account=account)
        return True

    async def _close(
        self,
        connection: Connection,
        tenant: int,
        account: int,
        *,
        by: Requester,
        cause: DeletionCause,
        token: Token | None,
    ) -> Deletion:
        await close_account(connection, account)
        token_hash = token.hash if token is not None else None
        await insert_deletion(connection, account=account, tenant=tenant, cause=cause, token_hash=token_hash)
        removed = await delete_rows(connection, account, last=False)
        await add_removed(connection, account, removed)
        await notify_account_at_once(connection, account)
        await enqueue_delete_account(connection, tenant=tenant, account=account)
        asked = Entry(
            action=Action.DELETION_ASKED,
            by=by,
            account=account,
            object=account_object(account),
            detail={"cause": cause.value},
        )
        await record(connection, asked)
        deletion = await get_deletion(connection, account)
        if deletion is None:
            raise LookupError(account)
        return deletion

    async def _hide_some(self, tenant: int, account: int) -> int:
        async with self._database.transaction(tenant) as connection:
            hidden = await hide_images(connection, tenant=tenant, owner=account, limit=HIDDEN_AT_ONCE)
            await notify_all_at_once(connection, hidden)
        return len(hidden)

    async def _abort_uploads(self, tenant: int, account: int) -> None:
        """Abort what is under way; a closed account begins no more."""
        while True:
            async with self._database.transaction(tenant) as connection:
                page = await uploads_of(connection, tenant=tenant, owner=account, limit=PAGE_IMAGES)
            for upload in page:
                await self._abort_upload(tenant, upload)
            if len(page) < PAGE_IMAGES:
                return

    async def _purge_images(self, tenant: int, account: int) -> None:
        last = 0
        while True:
            async with self._database.transaction(tenant) as connection:
                page = await images_to_purge(connection, tenant=tenant, owner=account, after=last, limit=PAGE_IMAGES)
            for image in page:
                await self._purge_image(tenant, image, account)
            if len(page) < PAGE_IMAGES:
                return
            last = page[-1]


def _entry(deletion: Deletion) -> DeletedAccount:
    return DeletedAccount(deletion.tenant, deletion.account, deletion.requested_at)
