"""The story of an address that is shown to be one's own: a link is sent to it, and opened.

The same link changes the address of an account: nothing is changed until the new one is shown to be read. Of two
accounts that name one address, it is whose link is opened first; the other is told. The old address is written to.
How it fails: a link that is over (422), an address that is another account's by now (409), and nothing is changed.
"""

from tintype.db.accounts import claim_email, lock_account, read_account, release_email, save_verified_email
from tintype.db.attempt_limits import AttemptLimits
from tintype.db.audit import record
from tintype.db.clock import DatabaseClock
from tintype.db.mails import tenant_of_mail, use_mail, use_up_mails, write_to
from tintype.db.notify import Notifier
from tintype.db.pool import Database
from tintype.domain.account import AccountState
from tintype.domain.attempt_limits import mail_charges
from tintype.domain.audit import Action, Entry, Requester, account_object
from tintype.domain.email_address import EmailAddress, parse_email
from tintype.domain.errors import Code, Problem
from tintype.domain.mail import MailKind
from tintype.domain.tokens import Purpose, is_derived, parse_token


class VerifyEmail:
    """Sends links to addresses, and takes them back."""

    def __init__(
        self,
        *,
        database: Database,
        clock: DatabaseClock,
        notifier: Notifier,
        limits: AttemptLimits,
        server_key: bytes,
    ) -> None:
        self._database = database
        self._clock = clock
        self._notifier = notifier
        self._limits = limits
        self._server_key = server_key

    async def ask(self, tenant: int, account: int, email: EmailAddress | None, *, address: str) -> None:
        """Have a link sent to the account's address, or to the one that it is to have."""
        await self._clock.refresh()
        async with self._database.transaction(tenant) as connection:
            await self._limits.take(connection, tenant=tenant, charges=mail_charges(address=address))
            found = await read_account(connection, account)
            if found is None:
                raise Problem(Code.NOT_FOUND, "There is no such account.")
            await write_to(
                connection,
                self._clock,
                tenant=tenant,
                account=account,
                kind=MailKind.VERIFY_EMAIL,
                address=email.given if email is not None else found.email,
            )
        self._notifier.jobs_enqueued()

    async def use(self, text: str, *, address: str, by: Requester) -> None:
        """Give the account the address whose link this is. `Problem`: auth.link_invalid, account.email_taken."""
        token = parse_token(Purpose.VERIFY_EMAIL, text)
        if token is None or not is_derived(self._server_key, token):
            raise _link_invalid()
        await self._clock.refresh()
        async with self._database.lookup() as connection:
            tenant = await tenant_of_mail(connection, token.id)
        if tenant is None:
            raise _link_invalid()
        async with self._database.transaction(tenant) as connection:
            await self._limits.take(connection, tenant=tenant, charges=mail_charges(address=address))
            mail = await use_mail(connection, token.id, MailKind.VERIFY_EMAIL)
            account = await lock_account(connection, mail.account) if mail is not None else None
            if mail is None or account is None or account.state is AccountState.DELETED:
                raise _link_invalid()
            new, old = parse_email(mail.address), parse_email(account.email)
            if not await claim_email(connection, tenant=tenant, email=new.normal, account=account.id):
                raise Problem(Code.ACCOUNT_EMAIL_TAKEN, "Another account has shown that this address is its own.")
            changed = new.normal != old.normal
            if changed:
                await release_email(connection, tenant=tenant, email=old.normal, account=account.id)
                await use_up_mails(connection, account.id, MailKind.PASSWORD_RESET)  # they went to the old address
                await write_to(
                    connection,
                    self._clock,
                    tenant=tenant,
                    account=account.id,
                    kind=MailKind.EMAIL_CHANGED,
                    address=old.given,
                )
            await save_verified_email(connection, account.id, new.given)
            action = Action.EMAIL_CHANGED if changed else Action.EMAIL_VERIFIED
            entry = Entry(action=action, by=by, account=account.id, object=account_object(account.id))
            await record(connection, entry)
        self._notifier.jobs_enqueued()


def _link_invalid() -> Problem:
    return Problem(Code.AUTH_LINK_INVALID, "This link was used, is over, or is none of ours. Ask for another one.")
