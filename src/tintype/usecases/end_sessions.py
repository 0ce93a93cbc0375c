"""The story of sessions that end: one, or all the others. It holds from the next request on: nothing remembers them."""

from tintype.db.pool import Database
from tintype.db.sessions import end_session, end_sessions


class EndSessions:
    """Ends sessions of an account."""

    def __init__(self, *, database: Database) -> None:
        self._database = database

    async def one(self, tenant: int, *, account: int, session: int) -> bool:
        """End one session of the account; return whether there was such a one."""
        async with self._database.transaction(tenant) as connection:
            return await end_session(connection, account=account, session_id=session)

    async def others(self, tenant: int, *, account: int, but: int | None) -> None:
        """End every session of the account but one."""
        async with self._database.transaction(tenant) as connection:
            await end_sessions(connection, account=account, but=but)
