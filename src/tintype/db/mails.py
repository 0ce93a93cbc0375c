"""Mails to accounts: a row for each, in the account's bucket, and a job that sends it, in one transaction.

Neither row nor job holds the token that the mail will show: it derives from the server's key and the row's id.
"""

from tintype.db.clock import DatabaseClock
from tintype.db.jobs import enqueue_send_mail
from tintype.db.pool import Connection
from tintype.domain.account import Account
from tintype.domain.ids import bucket_of
from tintype.domain.mail import PAUSES, MailKind, WaitingMail, lifetime_of


async def write_to(
    connection: Connection, clock: DatabaseClock, *, tenant: int, account: int, kind: MailKind, address: str
) -> bool:
    """Have a mail sent to the address, unless the account had one of the kind a moment ago; return whether."""
    pause = PAUSES.get(kind)
    if pause is not None:
        cursor = await connection.execute(
            """SELECT 1 FROM mails WHERE bucket = %s AND account = %s AND kind = %s AND address = %s
                   AND created_at > now() - %s::interval LIMIT 1""",
            [bucket_of(account), account, kind, address, pause],
        )
        if await cursor.fetchone() is not None:
            return False
    mail = clock.new_id(bucket_of(account))
    await connection.execute(
        """INSERT INTO mails (bucket, id, tenant, account, kind, address, expires_at)
           VALUES (%s, %s, %s, %s, %s, %s, now() + %s::interval)""",
        [bucket_of(account), mail, tenant, account, kind, address, lifetime_of(kind)],
    )
    await enqueue_send_mail(connection, tenant=tenant, mail=mail)
    return True


async def make_link(
    connection: Connection, clock: DatabaseClock, *, account: Account, kind: MailKind, address: str
) -> int:
    """Return the id of a link that is handed over otherwise: no mail is sent, and opening it shows no address."""
    mail = clock.new_id(account.bucket)
    await connection.execute(
        """INSERT INTO mails (bucket, id, tenant, account, kind, address, sent_at, expires_at)
           VALUES (%s, %s, %s, %s, %s, %s, now(), now() + %s::interval)""",
        [account.bucket, mail, account.tenant, account.id, kind, address, lifetime_of(kind)],
    )
    return mail


async def waiting_mail(connection: Connection, mail: int) -> WaitingMail | None:
    """Return the mail if it is still to be sent."""
    cursor = await connection.execute(
        """SELECT id, account, kind, address, created_at FROM mails
           WHERE bucket = %s AND id = %s AND sent_at IS NULL AND refused_at IS NULL AND used_at IS NULL
             AND expires_at > now()""",
        [bucket_of(mail), mail],
    )
    row = await cursor.fetchone()
    return WaitingMail(row[0], row[1], MailKind(row[2]), row[3], row[4]) if row else None


async def note_sent(connection: Connection, mail: int, *, taken: bool) -> None:
    """Note that the mail was taken, or refused for good."""
    await connection.execute(
        """UPDATE mails SET sent_at = CASE WHEN %s THEN now() END, refused_at = CASE WHEN %s THEN NULL ELSE now() END
           WHERE bucket = %s AND id = %s""",
        [taken, taken, bucket_of(mail), mail],
    )


async def tenant_of_mail(connection: Connection, mail: int) -> int | None:
    """Return the tenant of the mail with this id, None when there is no such mail."""
    cursor = await connection.execute("SELECT tenant_of_mail(%s, %s)", [bucket_of(mail), mail])
    row = await cursor.fetchone()
    return row[0] if row else None


async def peek_mail(connection: Connection, mail: int, kind: MailKind) -> WaitingMail | None:
    """Return the mail if its token could be used now."""
    cursor = await connection.execute(
        """SELECT id, account, kind, address, created_at FROM mails
           WHERE bucket = %s AND id = %s AND kind = %s AND used_at IS NULL AND expires_at > now()""",
        [bucket_of(mail), mail, kind],
    )
    row = await cursor.fetchone()
    return WaitingMail(row[0], row[1], MailKind(row[2]), row[3], row[4]) if row else None


async def use_mail(connection: Connection, mail: int, kind: MailKind) -> WaitingMail | None:
    """Use the token of a mail up, and return the mail; None when it is used, over, or of another kind."""
    cursor = await connection.execute(
        """UPDATE mails SET used_at = now()
           WHERE bucket = %s AND id = %s AND kind = %s AND used_at IS NULL AND expires_at > now()
           RETURNING id, account, kind, address, created_at""",
        [bucket_of(mail), mail, kind],
    )
    row = await cursor.fetchone()
    return WaitingMail(row[0], row[1], MailKind(row[2]), row[3], row[4]) if row else None


async def use_up_mails(connection: Connection, account: int, kind: MailKind) -> None:
    """Use up every token of the kind that the account was sent: one of them did its work."""
    await connection.execute(
        "UPDATE mails SET used_at = now() WHERE bucket = %s AND account = %s AND kind = %s AND used_at IS NULL",
        [bucket_of(account), account, kind],
    )
