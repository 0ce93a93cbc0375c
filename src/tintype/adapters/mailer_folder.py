"""Mail for development: each becomes a file that any mail program opens, and the log says where it is."""

import asyncio
from email.message import EmailMessage
from pathlib import Path

import structlog

from tintype.adapters.durable_files import write_durably
from tintype.adapters.mail_message import message_of
from tintype.ports.mailer import Mail, MailerFailed


class FolderMailer:
    """Writes mails to a folder, which is made when there is a first one. Nobody is written to."""

    def __init__(self, folder: Path, *, sender: str) -> None:
        self._folder = folder
        self._sender = sender

    async def send(self, mail: Mail) -> None:
        """Write the mail as an .eml file that its owner alone can read."""
        path = self._folder / f"{mail.id.partition('@')[0]}.eml"
        try:
            await asyncio.to_thread(self._write, path, message_of(mail, self._sender))
        except OSError as error:
            raise MailerFailed(f"{self._folder} cannot be written to: {error.strerror}") from error
        structlog.get_logger("tintype.mail").info("mail_written", path=str(path))

    def _write(self, path: Path, message: EmailMessage) -> None:
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        write_durably(path, message.as_bytes())
