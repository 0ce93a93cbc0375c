"""The story of an account that begins: by sign-up, by the set-up link, or by the operator's command.

Handle, address, account and the mail that asks to confirm the address are written in one transaction. A handle is
public, so who has it is no secret: the second to want it is told. An address is a secret: whoever signs up with one
that is somebody else's gets the same answer, an account without it, and its owner a mail. It is an account's when it
was confirmed, and until then only noted. How it fails: handle taken (409), too many at once (503), and nothing is left.
"""

import asyncio
import hashlib
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Final

from tintype.db.accounts import account_of_handle, claim_handle, insert_account, note_email, read_account
from tintype.db.attempt_limits import AttemptLimits
from tintype.db.audit import record
from tintype.db.clock import DatabaseClock
from tintype.db.idempotency import AnsweredMeanwhile, answered_before, keep_or_undo
from tintype.db.mails import write_to
from tintype.db.notify import Notifier
from tintype.db.pool import Clash, Connection, Database
from tintype.db.sessions import OpenedSession, open_session
from tintype.db.setup_links import tenant_of_setup_link, use_setup_link
from tintype.domain.account import Account, AccountState
from tintype.domain.actor import Role
from tintype.domain.attempt_limits import mail_charges, sign_up_charges
from tintype.domain.audit import Action, Entry, Requester, account_object
from tintype.domain.email_address import EmailAddress
from tintype.domain.errors import Code, Problem
from tintype.domain.idempotency import Attempt, mismatch
from tintype.domain.ids import hash_bucket
from tintype.domain.mail import MailKind
from tintype.domain.tokens import Purpose, parse_token
from tintype.ports.password_hasher import PasswordHasher

ID_ATTEMPTS: Final = 4
"""Two accounts of one bucket in one millisecond draw the same id once in 512 times."""


@dataclass(frozen=True, slots=True)
class NewAccount:
    """Who wants an account: checked names, and a password in its normal form, None for one that is chosen by link."""

    handle: str
    email: EmailAddress
    password: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class SignedUp:
    """A member; `again` says that an earlier attempt with the same Idempotency-Key made them."""

    account: Account
    again: bool


@dataclass(frozen=True, slots=True)
class Visitor:
    """Where somebody comes from: the address as addresses are counted, and what their program says it is."""

    address: str
    agent: str | None = None
    noted: str | None = None
    """As much of the address as may be written down."""


class SignUp:
    """Begins accounts."""

    def __init__(
        self,
        *,
        database: Database,
        clock: DatabaseClock,
        notifier: Notifier,
        hasher: PasswordHasher,
        limits: AttemptLimits,
    ) -> None:
        self._database = database
        self._clock = clock
        self._notifier = notifier
        self._hasher = hasher
        self._limits = limits
        self._turns: defaultdict[tuple[int, str], asyncio.Lock] = defaultdict(asyncio.Lock)

    async def __call__(
        self, wanted: NewAccount, *, tenant: int, visitor: Visitor, attempt: Attempt | None = None
    ) -> SignedUp:
        """Return the new member. `Problem`: account.handle_taken, rate_limited, unavailable, idempotency.mismatch."""
        async with self._database.transaction(tenant) as connection:
            await self._limits.take(connection, tenant=tenant, charges=sign_up_charges(address=visitor.address))
        by = Requester(address=visitor.noted)
        if (before := await self._made_before(wanted, tenant, attempt)) is not None:
            return before
        try:
            return SignedUp(await self.create(wanted, tenant=tenant, role=Role.MEMBER, by=by, attempt=attempt), False)
        except (Problem, AnsweredMeanwhile) as refusal:  # the handle may be taken by the attempt that came first
            before = await self._made_before(wanted, tenant, attempt)
            if before is None and isinstance(refusal, Problem):
                raise
        if before is None:
            raise _not_made()
        return before

    async def _made_before(self, wanted: NewAccount, tenant: int, attempt: Attempt | None) -> SignedUp | None:
        """Return whom an earlier attempt made, None without one; `Problem` when that was another request.

        Of the password nothing is kept with the attempt: it is the account's, or the request is another one.
        """
        if attempt is None:
            return None
        async with self._database.transaction(tenant) as connection:
            kept = await answered_before(connection, tenant=tenant, attempt=attempt)
            account = await read_account(connection, kept.image) if kept is not None else None
        if kept is None:
            return None
        if account is None or account.state is AccountState.DELETED:
            message = "The account that this Idempotency-Key made was deleted since. Use a new key for another one."
            raise Problem(Code.CONFLICT, message)
        if not (await self._hasher.check(wanted.password or "", account.password_hash)).matches:
            raise mismatch()
        return SignedUp(account, again=True)

    async def create(
        self, wanted: NewAccount, *, tenant: int, role: Role, by: Requester, attempt: Attempt | None = None
    ) -> Account:
        """Return a new account, made by whoever may; `AnsweredMeanwhile` when another attempt came first."""
        async with self._turn(tenant, wanted.handle):
            await self._refuse_taken(tenant, wanted.handle)
            hashed = await self._hasher.hash(wanted.password) if wanted.password is not None else None
            for _ in range(ID_ATTEMPTS):
                try:
                    async with self._database.transaction(tenant) as connection:
                        account = await self._insert(connection, wanted, tenant=tenant, role=role, hashed=hashed)
                        await record(connection, _entry(by, account))
                        await keep_or_undo(connection, tenant=tenant, attempt=attempt, made=account.id)
                except Clash:
                    continue
                self._notifier.jobs_enqueued()
                return account
        raise _not_made()

    async def set_up(self, text: str, wanted: NewAccount, *, visitor: Visitor) -> tuple[Account, OpenedSession]:
        """Return the operator that the one-time link makes, signed in; `Problem` auth.link_invalid for another text."""
        token = parse_token(Purpose.SETUP, text)
        async with self._database.lookup() as connection:
            tenant = await tenant_of_setup_link(connection, token.id) if token is not None else None
        if token is None or tenant is None:
            raise _link_invalid()
        async with self._database.transaction(tenant) as connection:
            await self._limits.take(connection, tenant=tenant, charges=mail_charges(address=visitor.address))
        async with self._turn(tenant, wanted.handle):
            await self._refuse_taken(tenant, wanted.handle)
            hashed = await self._hasher.hash(wanted.password or "")
            async with self._database.transaction(tenant) as connection:
                if not await use_setup_link(connection, token):
                    raise _link_invalid()
                account = await self._insert(connection, wanted, tenant=tenant, role=Role.OPERATOR, hashed=hashed)
                await record(connection, _entry(Requester(address=visitor.noted), account))
                session = await open_session(
                    connection,
                    tenant=tenant,
                    account=account.id,
                    session_id=self._clock.new_id(account.bucket),
                    address=visitor.address,
                    agent=visitor.agent,
                )
        self._notifier.jobs_enqueued()
        return account, session

    @asynccontextmanager
    async def _turn(self, tenant: int, handle: str) -> AsyncIterator[None]:
        """Let one go first of those who want a handle in this process: the others would hash for nothing."""
        key = (tenant, handle)
        turn = self._turns[key]
        try:
            async with turn:
                yield
        finally:
            if not turn.locked():
                self._turns.pop(key, None)

    async def _refuse_taken(self, tenant: int, handle: str) -> None:
        await self._clock.refresh()
        async with self._database.transaction(tenant) as connection:
            if await account_of_handle(connection, tenant=tenant, handle=handle) is not None:
                raise handle_taken()

    async def _insert(
        self, connection: Connection, wanted: NewAccount, *, tenant: int, role: Role, hashed: str | None
    ) -> Account:
        bucket = hash_bucket(hashlib.sha256(f"{tenant} {wanted.handle}".encode()).digest())
        account = self._clock.new_id(bucket)
        if not await claim_handle(connection, tenant=tenant, handle=wanted.handle, account=account):
            raise handle_taken()
        holder, shown = await note_email(connection, tenant=tenant, email=wanted.email.normal, account=account)
        await insert_account(
            connection,
            account=account,
            tenant=tenant,
            handle=wanted.handle,
            email=wanted.email.given,
            password_hash=hashed,
            role=role,
        )
        about, kind = (holder, MailKind.ALREADY_REGISTERED) if shown else (account, MailKind.VERIFY_EMAIL)
        await write_to(connection, self._clock, tenant=tenant, account=about, kind=kind, address=wanted.email.given)
        made = await read_account(connection, account)
        if made is None:
            raise LookupError(account)
        return made


def _entry(by: Requester, account: Account) -> Entry:
    detail = {"role": account.role.value}
    return Entry(action=Action.SIGNED_UP, by=by, account=account.id, object=account_object(account.id), detail=detail)


def _not_made() -> Problem:
    return Problem(Code.UNAVAILABLE, "The account could not be made. Try again.", retry_after=1)


def handle_taken() -> Problem:
    """Return the refusal of a handle that somebody has."""
    return Problem(Code.ACCOUNT_HANDLE_TAKEN, "Somebody has this handle. Choose another one.")


def _link_invalid() -> Problem:
    return Problem(
        Code.AUTH_LINK_INVALID,
        "This link was used, is over, or is none of ours. `tintype account set-up-link` makes another one.",
    )
