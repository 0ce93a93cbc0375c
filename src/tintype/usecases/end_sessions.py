"""The story of sessions that end: one, or all the others. It holds from the next request on: nothing remembers them."""

from tintype.db.audit import record
from tintype.db.pool import Database
from tintype.db.sessions import end_session, end_sessions
from tintype.domain.audit import Action, Entry, Requester, account_object


class EndSessions:
    """Ends sessions of an account."""

    def __init__(self, *, database: Database) -> None:
        self._database = database

    async def one(self, tenant: int, *, account: int, session: int, by: Requester) -> bool:
        """End one session of the account; return whether there was such a one."""
        async with self._database.transaction(tenant) as connection:
            ended = await end_session(connection, account=account, session_id=session)
            if ended:
                await record(connection, Entry(action=Action.SIGNED_OUT, by=by, object=account_object(account)))
        return ended

    async def others(self, tenant: int, *, account: int, but: int | None, by: Requester) -> None:
        """End every session of the account but one."""
        async with self._database.transaction(tenant) as connection:
            await end_sessions(connection, account=account, but=but)
            await record(connection, Entry(action=Action.SESSION_REVOKED, by=by, object=account_object(account)))
