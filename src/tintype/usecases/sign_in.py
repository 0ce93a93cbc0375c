"""The story of a sign-in: a name and a password, then whatever else the account wants to see, then a session.

Every attempt is counted before anything is checked, and given back when it was right. A name that there is not costs
the same statements and the same hash as one that there is, and is refused in the same words: neither answer nor time
tells who has an account. How it fails: wrong name or password (401), suspended (403, after the password was right, so
that only its owner learns it), too many attempts (429), too many at once (503).
"""

from dataclasses import dataclass, field
from typing import Protocol

from tintype.db.accounts import NOBODY, account_of_email, account_of_handle, read_account, replace_hash
from tintype.db.attempt_limits import AttemptLimits
from tintype.db.audit import record, record_failure
from tintype.db.clock import DatabaseClock
from tintype.db.pool import Connection, Database
from tintype.db.sessions import OpenedSession, has_session_from, open_session
from tintype.domain.account import Account, AccountState
from tintype.domain.actor import Actor
from tintype.domain.attempt_limits import sign_in_charges
from tintype.domain.audit import Action, Entry, Requester, Result, account_object
from tintype.domain.email_address import BadEmail, parse_email
from tintype.domain.errors import Code, Problem
from tintype.domain.handle import BadHandle, normal_handle
from tintype.domain.password import MAX_CHARACTERS, normal_password
from tintype.domain.tokens import Purpose, derive_token, is_derived, parse_token
from tintype.ports.password_hasher import PasswordHasher


@dataclass(frozen=True, slots=True, kw_only=True)
class SignInAttempt:
    """What somebody shows. `login` is a handle or an address as it was written, `address` as addresses are counted."""

    tenant: int
    login: str = field(repr=False)
    password: str = field(repr=False)
    totp: str | None = field(default=None, repr=False)
    """What is shown beside the password: a code of a device, or one that was written down."""
    address: str
    agent: str | None = None
    noted: str | None = None
    """As much of the address as may be written down."""
    device: str | None = field(default=None, repr=False)
    """The token of a browser that was signed in before."""


class SecondFactor(Protocol):
    """What an account may ask for beside its password. Looked at once the password was right."""

    async def check(self, account: Account, attempt: SignInAttempt) -> None:
        """Return when nothing more is asked for, or what was shown is right; else raise the `Problem` that says so.

        It has transactions of its own, before the one of the session: a wrong code stays counted.
        """
        ...


@dataclass(frozen=True, slots=True)
class SignedIn:
    """Somebody who is signed in: the session's token exists here alone; `device` is for their browser to keep."""

    account: Account
    session: OpenedSession
    device: str = field(repr=False)


class SignIn:
    """Begins sessions by password."""

    def __init__(
        self,
        *,
        database: Database,
        clock: DatabaseClock,
        hasher: PasswordHasher,
        limits: AttemptLimits,
        second_factor: SecondFactor,
        server_key: bytes,
    ) -> None:
        self._database = database
        self._clock = clock
        self._hasher = hasher
        self._limits = limits
        self._second_factor = second_factor
        self._server_key = server_key

    async def __call__(self, attempt: SignInAttempt) -> SignedIn:
        """Return the session that begins. `Problem`: auth.failed, account.suspended, rate_limited, unavailable."""
        await self._clock.refresh()
        async with self._database.transaction(attempt.tenant) as connection:
            account = await _find(connection, attempt)
            known = await self._is_known(connection, account, attempt)
            charges = sign_in_charges(name=attempt.login, address=attempt.address, known=known)
            await self._limits.take(connection, tenant=attempt.tenant, charges=charges)
        checked = await self._hasher.check(
            normal_password(attempt.password)[:MAX_CHARACTERS], account.password_hash if account else None
        )
        if account is None or not checked.matches or len(attempt.password) > 4 * MAX_CHARACTERS:
            async with self._database.transaction(attempt.tenant) as connection:
                await record_failure(connection, _failure(attempt, account))
            raise Problem(Code.AUTH_FAILED, "There is no account with this name and password.")
        if account.state is not AccountState.ACTIVE:
            raise Problem(Code.ACCOUNT_SUSPENDED, "This account is suspended. Its operator can tell why.")
        outdated = account.password_hash if checked.outdated else None
        better = await self._hasher.hash(normal_password(attempt.password)) if outdated else None
        await self._second_factor.check(account, attempt)
        async with self._database.transaction(attempt.tenant) as connection:
            if outdated and better:
                await replace_hash(connection, account.id, old=outdated, new=better)
            session = await open_session(
                connection,
                tenant=account.tenant,
                account=account.id,
                session_id=self._clock.new_id(account.bucket),
                address=attempt.address,
                agent=attempt.agent,
            )
            actor = Actor(account.tenant, account=account.id, role=account.role)
            by = Requester(actor, attempt.noted)
            await record(connection, Entry(action=Action.SIGNED_IN, by=by, object=account_object(account.id)))
            await self._limits.give_back(connection, tenant=attempt.tenant, charges=charges)
        return SignedIn(account, session, self.device_of(account))

    def device_of(self, account: Account) -> str:
        """Return what a browser shows to be known to the account."""
        return derive_token(self._server_key, Purpose.DEVICE, account.id).reveal()

    async def _is_known(self, connection: Connection, account: Account | None, attempt: SignInAttempt) -> bool:
        """Return whether the account knows the browser or the place; asks as much for an account that is not there."""
        seen = await has_session_from(connection, account.id if account else NOBODY, attempt.address)
        device = parse_token(Purpose.DEVICE, attempt.device or "")
        shown = device is not None and is_derived(self._server_key, device)
        return account is not None and (seen or (device is not None and shown and device.id == account.id))


def _failure(attempt: SignInAttempt, account: Account | None) -> Entry:
    """Return the entry of a password that was wrong; the log knows no names that there are not."""
    return Entry(
        action=Action.SIGN_IN_FAILED,
        by=Requester(address=attempt.noted),
        account=account.id if account is not None else None,
        object=account_object(account.id) if account is not None else None,
        result=Result.REFUSED,
    )


async def _find(connection: Connection, attempt: SignInAttempt) -> Account | None:
    """Return whom the name means, with as many statements as for nobody."""
    try:
        if "@" in attempt.login:
            email = parse_email(attempt.login).normal
            found = await account_of_email(connection, tenant=attempt.tenant, email=email)
        else:
            handle = normal_handle(attempt.login.strip())
            found = await account_of_handle(connection, tenant=attempt.tenant, handle=handle)
    except (BadEmail, BadHandle):
        found = None
    account = await read_account(connection, found if found is not None else NOBODY)
    return account if account is not None and account.state is not AccountState.DELETED else None
