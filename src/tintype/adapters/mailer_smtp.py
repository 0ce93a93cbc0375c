"""Mail by SMTP: the standard library's client in a thread, a connection for each mail.

`smtps://` is TLS from the first byte. `smtp://` uses STARTTLS wherever the server offers it; a password is never sent
without, unless the server is this machine: somebody between could take the offer away (RFC 8314 §4.1).
"""

import asyncio
import smtplib
import ssl
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import unquote, urlsplit

from tintype.adapters.mail_message import message_of
from tintype.ports.mailer import Mail, MailerFailed, MailRefused

TIMEOUT_SECONDS: Final = 20.0
"""For each answer of the server: some wait on purpose before they greet."""

_PORTS: Final = {"smtp": 587, "smtps": 465}
_OURSELVES: Final = frozenset({"localhost", "127.0.0.1", "::1"})
_PERMANENT: Final = 500
"""Replies from here on are for good (RFC 5321 §4.2.1)."""


@dataclass(frozen=True, slots=True)
class SmtpConfig:
    """Where mails are handed over."""

    host: str
    port: int
    implicit_tls: bool
    user: str | None
    password: str | None = field(repr=False)
    sender: str
    context: ssl.SSLContext = field(default_factory=ssl.create_default_context)

    @classmethod
    def from_url(cls, url: str, *, sender: str) -> "SmtpConfig":
        """Return what a checked `smtp://user:password@host:port` names."""
        parts = urlsplit(url)
        return cls(
            host=parts.hostname or "localhost",
            port=parts.port or _PORTS[parts.scheme],
            implicit_tls=parts.scheme == "smtps",
            user=unquote(parts.username) if parts.username else None,
            password=unquote(parts.password) if parts.password else None,
            sender=sender,
        )


class SmtpMailer:
    """Hands mails over to a server."""

    def __init__(self, config: SmtpConfig) -> None:
        self._config = config

    async def send(self, mail: Mail) -> None:
        """Return when the server has taken the mail."""
        await asyncio.to_thread(self._send, mail)

    def _send(self, mail: Mail) -> None:
        try:
            with self._connected() as server:
                server.send_message(message_of(mail, self._config.sender))
        except smtplib.SMTPRecipientsRefused as error:
            code = max(status for status, _ in error.recipients.values())
            if code >= _PERMANENT:
                raise MailRefused(f"The mail server knows no such mailbox ({code}).") from None
            raise MailerFailed(f"The mail server takes it later ({code}).") from None
        except smtplib.SMTPResponseException as error:
            raise MailerFailed(f"The mail server answered {error.smtp_code}.") from None
        except (OSError, smtplib.SMTPException) as error:
            raise MailerFailed(f"The mail server cannot be used: {type(error).__name__}.") from None

    def _connected(self) -> smtplib.SMTP:
        """Return a connection that is as private as it can be, and signed in where a user is named."""
        config = self._config
        server: smtplib.SMTP
        if config.implicit_tls:
            server = smtplib.SMTP_SSL(config.host, config.port, timeout=TIMEOUT_SECONDS, context=config.context)
        else:
            server = smtplib.SMTP(config.host, config.port, timeout=TIMEOUT_SECONDS)
        try:
            self._sign_in(server, private=config.implicit_tls or self._start_tls(server))
        except BaseException:
            server.close()
            raise
        return server

    def _start_tls(self, server: smtplib.SMTP) -> bool:
        server.ehlo_or_helo_if_needed()
        if not server.has_extn("starttls"):
            return False
        server.starttls(context=self._config.context)
        return True

    def _sign_in(self, server: smtplib.SMTP, *, private: bool) -> None:
        if self._config.user is None:
            return
        if not private and self._config.host not in _OURSELVES:
            raise smtplib.SMTPNotSupportedError("no password without TLS")
        server.login(self._config.user, self._config.password or "")
