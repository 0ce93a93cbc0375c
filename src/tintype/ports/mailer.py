"""Sending mail. A mail may be sent twice (its job is at-least-once); both copies have one Message-ID."""

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Mail:
    """A mail in plain text to one person. `id` is unique for it, and the same whenever it is sent again."""

    id: str
    to: str
    subject: str
    text: str

    def __repr__(self) -> str:
        return f"Mail({self.id})"


class MailRefused(Exception):
    """It cannot be delivered, now or later: there is no such mailbox. Trying again helps nobody."""


class MailerFailed(Exception):
    """It could not be handed over this time. The message has no word of the mail."""


class Mailer(Protocol):
    """Hands a mail over to what delivers it."""

    async def send(self, mail: Mail) -> None:
        """Return when somebody has taken the mail; `MailRefused` or `MailerFailed` when nobody has."""
        ...
