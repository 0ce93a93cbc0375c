"""The stories of a new password: chosen by who knows the old one, or by who gets the account's mail.

Either ends every other session, uses up every link that could still change it, and is told by mail. Asking for a link
is the same work whether there is such an account or not: one job, which looks. The link works once and for an hour;
opening it shows that the address is the account's, too. How it fails: a wrong old password (422), a link that is over
(422), too many attempts (429), and nothing is changed.
"""

from dataclasses import dataclass, field

from tintype.db.accounts import (
    account_of_email,
    claim_email,
    lock_account,
    read_account,
    save_password,
    save_verified_email,
)
from tintype.db.attempt_limits import AttemptLimits
from tintype.db.audit import record
from tintype.db.clock import DatabaseClock
from tintype.db.jobs import enqueue_ask_password_reset
from tintype.db.mails import peek_mail, tenant_of_mail, use_mail, use_up_mails, write_to
from tintype.db.notify import Notifier
from tintype.db.pool import Connection, Database
from tintype.db.sessions import end_sessions
from tintype.domain.account import Account, AccountState
from tintype.domain.attempt_limits import mail_charges, sign_in_charges
from tintype.domain.audit import Action, Entry, Requester, account_object
from tintype.domain.email_address import EmailAddress, parse_email
from tintype.domain.errors import Code, FieldError, Problem
from tintype.domain.mail import MailKind
from tintype.domain.password import MAX_CHARACTERS, normal_password
from tintype.domain.tokens import Purpose, Token, is_derived, parse_token
from tintype.ports.password_hasher import PasswordHasher


@dataclass(frozen=True, slots=True)
class OldPassword:
    """Who wants another password and shows the old one; `session` is the one that stays."""

    tenant: int
    account: int
    session: int | None
    text: str = field(repr=False)


class ChangePassword:
    """Gives accounts new passwords."""

    def __init__(
        self,
        *,
        database: Database,
        clock: DatabaseClock,
        notifier: Notifier,
        hasher: PasswordHasher,
        limits: AttemptLimits,
        server_key: bytes,
    ) -> None:
        self._database = database
        self._clock = clock
        self._notifier = notifier
        self._hasher = hasher
        self._limits = limits
        self._server_key = server_key

    async def confirm(self, old: OldPassword, *, address: str) -> Account:
        """Return the account whose password is shown; `address` is as addresses are counted.

        `Problem`: request.invalid for a wrong one, conflict for an account that has none, rate_limited.
        """
        charges = sign_in_charges(name=f"account {old.account}", address=address, known=True)
        async with self._database.transaction(old.tenant) as connection:
            await self._limits.take(connection, tenant=old.tenant, charges=charges)
            account = await read_account(connection, old.account)
        if account is None or account.password_hash is None:
            raise Problem(Code.CONFLICT, "This account has no password yet. Ask for a link by mail to choose one.")
        checked = await self._hasher.check(normal_password(old.text)[:MAX_CHARACTERS], account.password_hash)
        if not checked.matches:
            message = "This is not the password that you have."
            raise Problem(Code.REQUEST_INVALID, message, errors=(FieldError("current_password", message),))
        async with self._database.transaction(old.tenant) as connection:
            await self._limits.give_back(connection, tenant=old.tenant, charges=charges)
        return account

    async def __call__(self, old: OldPassword, new: str, *, by: Requester) -> None:
        """Set the new password (checked, in its normal form) of an account that has confirmed the old one."""
        await self._clock.refresh()
        hashed = await self._hasher.hash(new)
        async with self._database.transaction(old.tenant) as connection:
            account = await _living(connection, old.account)
            await self._set(connection, account, hashed, but=old.session)
            await record(connection, _entry(Action.PASSWORD_CHANGED, by, account))
        self._notifier.jobs_enqueued()

    async def ask(self, tenant: int, email: EmailAddress, *, address: str, noted: str | None) -> None:
        """Have whoever has the address sent a link, if anybody has. What that takes tells nothing.

        `address` is as addresses are counted, `noted` as much of it as may be written down.
        """
        async with self._database.transaction(tenant) as connection:
            await self._limits.take(connection, tenant=tenant, charges=mail_charges(address=address))
            await enqueue_ask_password_reset(connection, tenant=tenant, email=email.normal, noted=noted)
        self._notifier.jobs_enqueued()

    async def write(self, *, tenant: int, email: str, noted: str | None = None) -> None:
        """Send the link, and note who was sent one and from where it was asked: a job.

        Run twice, it writes once: an account gets one such mail in a while, so nobody fills its log either.
        """
        await self._clock.refresh()
        async with self._database.transaction(tenant) as connection:
            found = await account_of_email(connection, tenant=tenant, email=email)
            account = await read_account(connection, found) if found is not None else None
            known = account is not None and account.state is not AccountState.DELETED
            if account is not None and known and await self.write_link(connection, account):
                asked = _entry(Action.PASSWORD_RESET_ASKED, Requester(address=noted), account)
                await record(connection, asked)
        self._notifier.jobs_enqueued()

    async def write_link(self, connection: Connection, account: Account) -> bool:
        """Have the account sent a link, unless it had one a moment ago; return whether."""
        return await write_to(
            connection,
            self._clock,
            tenant=account.tenant,
            account=account.id,
            kind=MailKind.PASSWORD_RESET,
            address=account.email,
        )

    async def account_of_link(self, text: str, *, address: str) -> Account:
        """Return whose link this is; `Problem` auth.link_invalid for one that is over, used or none."""
        token = self._token(text)
        async with self._database.lookup() as connection:
            tenant = await tenant_of_mail(connection, token.id)
        if tenant is None:
            raise _link_invalid()
        async with self._database.transaction(tenant) as connection:
            await self._limits.take(connection, tenant=tenant, charges=mail_charges(address=address))
            mail = await peek_mail(connection, token.id, MailKind.PASSWORD_RESET)
            account = await read_account(connection, mail.account) if mail is not None else None
        if account is None or account.state is AccountState.DELETED:
            raise _link_invalid()
        return account

    async def use(self, text: str, account: Account, new: str, *, by: Requester) -> None:
        """Set the new password (checked, in its normal form) by a link, and end every session."""
        token = self._token(text)
        await self._clock.refresh()
        hashed = await self._hasher.hash(new)
        async with self._database.transaction(account.tenant) as connection:
            mail = await use_mail(connection, token.id, MailKind.PASSWORD_RESET)
            if mail is None:
                raise _link_invalid()
            found = await _living(connection, mail.account)
            await self._set(connection, found, hashed, but=None)
            await _show_address(connection, found, mail.address)
            await record(connection, _entry(Action.PASSWORD_RESET, by, found))
        self._notifier.jobs_enqueued()

    def _token(self, text: str) -> Token:
        token = parse_token(Purpose.PASSWORD_RESET, text)
        if token is None or not is_derived(self._server_key, token):
            raise _link_invalid()
        return token

    async def _set(self, connection: Connection, account: Account, hashed: str, *, but: int | None) -> None:
        await save_password(connection, account.id, hashed)
        await end_sessions(connection, account=account.id, but=but)
        await use_up_mails(connection, account.id, MailKind.PASSWORD_RESET)
        await write_to(
            connection,
            self._clock,
            tenant=account.tenant,
            account=account.id,
            kind=MailKind.PASSWORD_CHANGED,
            address=account.email,
        )


async def _show_address(connection: Connection, account: Account, address: str) -> None:
    """Note that the address is the account's: whoever opened the link reads its mail."""
    if account.email_verified_at is not None or address != account.email:
        return
    email = parse_email(address)
    if await claim_email(connection, tenant=account.tenant, email=email.normal, account=account.id):
        await save_verified_email(connection, account.id, email.given)


async def _living(connection: Connection, account: int) -> Account:
    found = await lock_account(connection, account)
    if found is None or found.state is AccountState.DELETED:
        raise _link_invalid()
    return found


def _entry(action: Action, by: Requester, account: Account) -> Entry:
    return Entry(action=action, by=by, account=account.id, object=account_object(account.id))


def _link_invalid() -> Problem:
    return Problem(Code.AUTH_LINK_INVALID, "This link was used, is over, or is none of ours. Ask for another one.")
