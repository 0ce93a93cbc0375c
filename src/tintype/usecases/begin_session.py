"""The story of a session of somebody who was recognised without a password: by a passkey, or by a provider."""

from dataclasses import dataclass

from tintype.db.accounts import read_account
from tintype.db.audit import record
from tintype.db.clock import DatabaseClock
from tintype.db.pool import Database
from tintype.db.sessions import OpenedSession, open_session
from tintype.domain.account import Account, AccountState
from tintype.domain.audit import Action
from tintype.domain.errors import Code, Problem
from tintype.domain.own_account import Own


@dataclass(frozen=True, slots=True)
class Begun:
    """Somebody who is signed in."""

    account: Account
    session: OpenedSession


class BeginSession:
    """Begins sessions."""

    def __init__(self, *, database: Database, clock: DatabaseClock) -> None:
        self._database = database
        self._clock = clock

    async def __call__(self, own: Own, *, way: str, address: str, agent: str | None) -> Begun:
        """Return the session that begins; `way` is how they were recognised. `Problem` account.suspended."""
        await self._clock.refresh()
        async with self._database.transaction(own.tenant) as connection:
            account = await read_account(connection, own.account)
            if account is None or account.state is AccountState.DELETED:
                raise Problem(Code.AUTH_FAILED, "This account is not there any more.")
            if account.state is not AccountState.ACTIVE:
                raise Problem(Code.ACCOUNT_SUSPENDED, "This account is suspended. Its operator can tell why.")
            session = await open_session(
                connection,
                tenant=own.tenant,
                account=own.account,
                session_id=self._clock.new_id(account.bucket),
                address=address,
                agent=agent,
            )
            await record(connection, own.entry(Action.SIGNED_IN, way=way))
        return Begun(account, session)
