"""The mail that tells an account's owner that a way to sign in was added or taken away, by whoever it was."""

from tintype.db.accounts import read_account
from tintype.db.clock import DatabaseClock
from tintype.db.mails import write_to
from tintype.db.pool import Connection
from tintype.domain.mail import MailKind
from tintype.domain.own_account import Own


async def tell_owner(connection: Connection, clock: DatabaseClock, own: Own) -> None:
    """Have the mail sent, in the transaction of the change, to the address that the owner has shown to be theirs.

    Nobody is written to at an address that may be a stranger's.
    """
    account = await read_account(connection, own.account)
    if account is not None and account.email_verified_at is not None:
        await write_to(
            connection,
            clock,
            tenant=own.tenant,
            account=own.account,
            kind=MailKind.WAYS_CHANGED,
            address=account.email,
        )
