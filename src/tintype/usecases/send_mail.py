"""The story of a mail on its way out: a job, tried again until a server has taken it.

The token is derived here and goes into the mail alone. A mail that was sent, used or is over is not sent (again); a
worker that is killed between sending and noting sends it twice, with one Message-ID. A mailbox that is not there is
the end of it: trying again helps nobody.
"""

from tintype.db.accounts import read_account
from tintype.db.mails import note_sent, waiting_mail
from tintype.db.pool import Database
from tintype.db.tenant_rows import get_tenant
from tintype.domain.account import AccountState
from tintype.domain.ids import base62
from tintype.domain.mail import PURPOSES, compose, link_of, site_of
from tintype.domain.tokens import derive_token
from tintype.ports.mailer import Mail, Mailer, MailRefused


class SendMail:
    """Sends mails."""

    def __init__(self, *, database: Database, mailer: Mailer, server_key: bytes, site: str) -> None:
        """`site` is where people reach us, without a slash at its end; tenants may have a host name of their own."""
        self._database = database
        self._mailer = mailer
        self._server_key = server_key
        self._site = site

    async def __call__(self, *, tenant: int, mail: int) -> None:
        """Send the mail, if it is still to be sent. `MailerFailed` when it has to be tried again."""
        async with self._database.transaction(tenant) as connection:
            waiting = await waiting_mail(connection, mail)
            account = await read_account(connection, waiting.account) if waiting is not None else None
            at = await get_tenant(connection, tenant)
        if waiting is None or account is None or account.state is AccountState.DELETED:  # who left is told nothing more
            return
        purpose = PURPOSES.get(waiting.kind)
        token = derive_token(self._server_key, purpose, waiting.id).reveal() if purpose is not None else None
        site = site_of(self._site, at.hostnames if at is not None else ())
        link = link_of(waiting.kind, site, token) if token is not None else None
        subject, text = compose(waiting.kind, handle=account.handle, site=site, link=link)
        identity = f"{waiting.kind}-{base62(waiting.id)}@tintype"
        try:
            await self._mailer.send(Mail(identity, waiting.address, subject, text))
        except MailRefused:
            taken = False
        else:
            taken = True
        async with self._database.transaction(tenant) as connection:
            await note_sent(connection, mail, taken=taken)
