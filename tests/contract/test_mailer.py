"""Mailers hand mails over as they are: to a folder, and to real SMTP servers, with TLS and without."""

import asyncio
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from email import message_from_bytes
from email.policy import default
from pathlib import Path
from typing import Any, Final

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from product import free_port
from tintype.adapters.mailer_folder import FolderMailer
from tintype.adapters.mailer_smtp import SmtpConfig, SmtpMailer
from tintype.ports.mailer import Mail, Mailer, MailerFailed, MailRefused

SENDER: Final = "Tintype <tintype@example.org>"
MAIL: Final = Mail(
    "reset-1@tintype", "ada@example.org", "Choose a new password", "Hello ada,\n\nétoile: https://x/#t\n"
)

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning:aiosmtpd")


@dataclass
class Mailbox:
    """What a server was handed, and whom it refuses."""

    mails: list[bytes] = field(default_factory=list)
    signed_in: list[bytes] = field(default_factory=list)
    private: list[bool] = field(default_factory=list)

    async def handle_RCPT(  # noqa: N802 -- the names and arguments are the library's
        self, _server: SMTP, _session: Session, envelope: Envelope, address: str, _options: list[str]
    ) -> str:
        """Take anybody's but two."""
        if address.startswith("nobody@"):
            return "550 no such mailbox"
        if address.startswith("full@"):
            return "452 come again"
        envelope.rcpt_tos.append(address)
        return "250 ok"

    async def handle_DATA(self, _server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802 -- likewise
        """Keep the mail."""
        self.private.append(session.ssl is not None)
        self.mails.append(envelope.original_content or b"")
        return "250 ok"

    def sign_in(self, _server: Any, _session: Any, _envelope: Any, _mechanism: str, data: LoginPassword) -> AuthResult:  # noqa: ANN401 -- likewise
        """Let one user in."""
        self.signed_in.append(data.login)
        return AuthResult(success=data == LoginPassword(b"user", b"p@ss word"))


@dataclass(frozen=True)
class Certificates:
    """A certificate for 127.0.0.1, and who believes it."""

    server: ssl.SSLContext
    client: ssl.SSLContext


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    directory = tmp_path_factory.mktemp("tls")
    key = ec.generate_private_key(ec.SECP256R1())
    name, now = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")]), datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number(), now, now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    (directory / "cert.pem").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    (directory / "key.pem").write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(directory / "cert.pem", directory / "key.pem")
    return Certificates(server, ssl.create_default_context(cafile=str(directory / "cert.pem")))


@contextmanager
def smtp_server(mailbox: Mailbox, **options: Any) -> Iterator[int]:  # noqa: ANN401 -- of the library
    """Run a real SMTP server and give its port."""
    controller = Controller(mailbox, hostname="127.0.0.1", port=free_port(), **options)
    controller.start()
    try:
        yield controller.port
    finally:
        controller.stop()


def config(port: int, scheme: str = "smtp", user: str = "") -> SmtpConfig:
    return SmtpConfig.from_url(f"{scheme}://{user}localhost:{port}", sender=SENDER)


def send(mailer: Mailer, mail: Mail = MAIL) -> None:
    asyncio.run(mailer.send(mail))


def assert_is_the_mail(content: bytes) -> None:
    message = message_from_bytes(content, policy=default)
    assert (message["from"], message["to"], message["subject"]) == (SENDER, MAIL.to, MAIL.subject)
    assert message["message-id"] == f"<{MAIL.id}>"
    assert message.get_content().replace("\r\n", "\n") == MAIL.text


def test_a_folder_has_each_mail_as_a_file_that_others_cannot_read(tmp_path: Path) -> None:
    mailer = FolderMailer(tmp_path / "mail", sender=SENDER)
    send(mailer)
    send(mailer)  # sent twice is one file
    (file,) = (tmp_path / "mail").iterdir()
    assert file.stat().st_mode & 0o077 == 0
    assert_is_the_mail(file.read_bytes())


def test_a_folder_that_cannot_be_written_to_has_failed(tmp_path: Path) -> None:
    (tmp_path / "mail").write_text("a file")
    with pytest.raises(MailerFailed):
        send(FolderMailer(tmp_path / "mail", sender=SENDER))


def test_a_server_without_tls_takes_the_mail_as_it_is() -> None:
    mailbox = Mailbox()
    with smtp_server(mailbox) as port:
        send(SmtpMailer(config(port)))
    assert_is_the_mail(mailbox.mails[0])


def test_tls_is_used_where_it_is_offered_and_the_password_goes_through_it_alone(certificates: Certificates) -> None:
    mailbox = Mailbox()
    options = {"tls_context": certificates.server, "authenticator": mailbox.sign_in, "auth_required": True}
    with smtp_server(mailbox, **options) as port:
        send(SmtpMailer(replace(config(port, user="user:p%40ss%20word@"), context=certificates.client)))
    assert (mailbox.signed_in, mailbox.private) == ([b"user"], [True])
    assert_is_the_mail(mailbox.mails[0])


def test_tls_from_the_first_byte(certificates: Certificates) -> None:
    mailbox = Mailbox()
    with smtp_server(mailbox, ssl_context=certificates.server) as port:
        send(SmtpMailer(replace(config(port, "smtps"), context=certificates.client)))
    assert len(mailbox.mails) == 1


def test_a_certificate_that_nobody_vouches_for_gets_no_mail(certificates: Certificates) -> None:
    mailbox = Mailbox()
    with smtp_server(mailbox, tls_context=certificates.server) as port, pytest.raises(MailerFailed) as caught:
        send(SmtpMailer(config(port)))
    assert mailbox.mails == []
    assert MAIL.text not in str(caught.value)


def test_no_password_is_sent_without_tls_to_another_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    mailbox = Mailbox()
    monkeypatch.setattr("tintype.adapters.mailer_smtp._OURSELVES", frozenset())
    options = {"authenticator": mailbox.sign_in, "auth_require_tls": False}
    with smtp_server(mailbox, **options) as port, pytest.raises(MailerFailed):
        send(SmtpMailer(config(port, user="user:p%40ss%20word@")))
    assert (mailbox.signed_in, mailbox.mails) == ([], [])


@pytest.mark.parametrize(("to", "expected"), [("nobody@example.org", MailRefused), ("full@example.org", MailerFailed)])
def test_a_mailbox_that_is_not_there_is_another_thing_than_one_that_is_full(to: str, expected: type[Exception]) -> None:
    with smtp_server(Mailbox()) as port, pytest.raises(expected):
        send(SmtpMailer(config(port)), replace(MAIL, to=to))


def test_a_server_that_is_away_has_failed() -> None:
    with pytest.raises(MailerFailed):
        send(SmtpMailer(config(free_port())))


def test_a_line_end_in_a_header_is_no_header_of_the_mail(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"newline|linefeed|line"):
        send(FolderMailer(tmp_path, sender=SENDER), replace(MAIL, to="ada@example.org\nBcc: eve@example.org"))
    assert list(tmp_path.iterdir()) == []
