"""Deletions of accounts held against what is left: rows, images, and what the journal says."""

from collections import defaultdict

from tintype.db.account_deletions import deleted_with_traces, states_of
from tintype.db.personal_data import left_rows
from tintype.domain.audit import account_object
from tintype.domain.deleted_account import DeletedAccount
from tintype.domain.invariant import Invariant
from tintype.storage.account_journal import AccountJournal
from tintype.usecases.verify.run import Run


async def verify_accounts(run: Run, tenants: list[int]) -> None:
    """Go through the deletions of these tenants, and through the journal of accounts."""
    for tenant in tenants:
        await _verify_deletions(run, tenant)
    journalled: dict[int, list[DeletedAccount]] = defaultdict(list)
    async for entry in AccountJournal(run.blobs).entries():
        run.looked()
        if isinstance(entry, DeletedAccount):
            journalled[entry.tenant].append(entry)
        else:
            run.accuse(Invariant.SOUND, f"{entry.key} is no entry of the journal")
    for tenant, entries in journalled.items():
        async with run.database.transaction(tenant) as connection:
            states = await states_of(connection, [entry.account for entry in entries])
        for entry in entries:
            if states.get(entry.account, "deleted") != "deleted":
                run.accuse(
                    Invariant.DELETED,
                    f"{account_object(entry.account)} was deleted at {entry.deleted_at} and is there again",
                )


async def _verify_deletions(run: Run, tenant: int) -> None:
    async with run.database.transaction(tenant) as connection:
        deletions = await deleted_with_traces(connection, tenant=tenant)
    for account, images in deletions:
        run.looked()
        name = account_object(account)
        if images:
            run.accuse(Invariant.DELETED, f"{name} is deleted, and {images} of its images are not purged")
        async with run.database.transaction(tenant) as connection:
            left = await left_rows(connection, account)
        for table in left:
            run.accuse(Invariant.DELETED, f"{name} is deleted, and {table} still has rows of it")
