"""Accounts and sessions to look at."""

from collections.abc import Sequence

from tintype.db.accounts import NOBODY, account_of_handle, list_accounts, read_account
from tintype.db.pool import Database
from tintype.db.sessions import read_session, sessions_of
from tintype.domain.account import Account, AccountState
from tintype.domain.errors import Code, Problem
from tintype.domain.handle import BadHandle, normal_handle
from tintype.domain.ids import ACCOUNT_PREFIX, BadId, parse_public_id
from tintype.domain.session import Session


class Accounts:
    """Finds accounts within a tenant."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def own(self, tenant: int, account: int) -> Account:
        """Return the account that asks about itself."""
        async with self._database.transaction(tenant) as connection:
            found = await read_account(connection, account)
        if found is None:
            raise Problem(Code.AUTH_REQUIRED, "This account is not there any more.")
        return found

    async def find(self, tenant: int, name: str) -> Account | None:
        """Return whom a handle or a public id means, whatever the state; None for nobody."""
        try:
            account = parse_public_id(ACCOUNT_PREFIX, name)
            handle = None
        except BadId:
            account, handle = NOBODY, _handle(name)
        async with self._database.transaction(tenant) as connection:
            if handle is not None:
                account = await account_of_handle(connection, tenant=tenant, handle=handle) or NOBODY
            found = await read_account(connection, account)
        return found if found is not None and found.tenant == tenant else None

    async def page(
        self, tenant: int, *, states: Sequence[AccountState], before: int | None, limit: int
    ) -> list[Account]:
        """Return the tenant's accounts, newest first, and one more than `limit` when there are more."""
        async with self._database.transaction(tenant) as connection:
            return await list_accounts(connection, tenant=tenant, states=states, before=before, limit=limit + 1)

    async def sessions(self, tenant: int, account: int) -> list[Session]:
        """Return the account's sessions, newest first."""
        async with self._database.transaction(tenant) as connection:
            return await sessions_of(connection, account)

    async def of_session(self, tenant: int, account: int, session: int) -> tuple[Account, Session]:
        """Return a session that asks about itself, with its account."""
        async with self._database.transaction(tenant) as connection:
            found, opened = await read_account(connection, account), await read_session(connection, session)
        if found is None or opened is None:
            raise Problem(Code.AUTH_REQUIRED, "This session is over. Sign in again.")
        return found, opened


def _handle(name: str) -> str | None:
    try:
        return normal_handle(name)
    except BadHandle:
        return None
