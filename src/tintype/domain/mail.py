"""What we write to people: which mails there are, how long what stands in them is good, and their words."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final
from urllib.parse import urlsplit

from tintype.domain.tokens import Purpose


class MailKind(StrEnum):
    """What a mail is about."""

    VERIFY_EMAIL = "verify_email"
    PASSWORD_RESET = "password_reset"  # noqa: S105 -- a kind of mail
    ALREADY_REGISTERED = "already_registered"
    WAYS_CHANGED = "ways_changed"
    PASSWORD_CHANGED = "password_changed"  # noqa: S105 -- likewise
    EMAIL_CHANGED = "email_changed"


PURPOSES: Final[Mapping[MailKind, Purpose]] = {
    MailKind.VERIFY_EMAIL: Purpose.VERIFY_EMAIL,
    MailKind.PASSWORD_RESET: Purpose.PASSWORD_RESET,
}
"""The mails that carry a token; the others only tell."""

LIFETIMES: Final[Mapping[MailKind, timedelta]] = {
    MailKind.VERIFY_EMAIL: timedelta(days=3),
    MailKind.PASSWORD_RESET: timedelta(hours=1),
}
"""A reset is asked for by somebody who waits for it; an address is confirmed when there is time, over a weekend too."""

NOTICE_LIFETIME: Final = timedelta(days=7)
"""How long a notice is tried to be sent, and known to have been."""

PAUSES: Final[Mapping[MailKind, timedelta]] = {
    MailKind.VERIFY_EMAIL: timedelta(minutes=1),
    MailKind.PASSWORD_RESET: timedelta(minutes=5),
    MailKind.ALREADY_REGISTERED: timedelta(hours=1),
}
"""Between two mails of a kind to one account, whoever asks for them: nobody's mailbox is to be filled by a stranger."""

_PATHS: Final[Mapping[MailKind, str]] = {
    MailKind.VERIFY_EMAIL: "/verify-email",
    MailKind.PASSWORD_RESET: "/reset-password",
}


@dataclass(frozen=True, slots=True)
class WaitingMail:
    """A mail's row."""

    id: int
    account: int
    kind: MailKind
    address: str
    created_at: datetime


def lifetime_of(kind: MailKind) -> timedelta:
    """Return how long a mail, and the token in it, is good."""
    return LIFETIMES.get(kind, NOTICE_LIFETIME)


def site_of(site: str, hostnames: Sequence[str]) -> str:
    """Return where people reach a tenant with these host names: at the first of them, or where everybody does (`site`).

    A tenant's host is reached by https, which a proxy speaks that we know nothing of; on one's own machine, as we are.
    """
    parts = urlsplit(site)
    if not hostnames or parts.hostname in hostnames:
        return site
    host = hostnames[0]
    if host.endswith("localhost"):
        return f"{parts.scheme}://{host}" + (f":{parts.port}" if parts.port else "")
    return f"https://{host}"


def link_of(kind: MailKind, site: str, token: str) -> str:
    """Return the address that the mail leads to. The token is behind `#`: no server and no log between sees it."""
    return f"{site}{_PATHS[kind]}#{token}"


def compose(kind: MailKind, *, handle: str, site: str, link: str | None) -> tuple[str, str]:
    """Return subject and text."""
    subject, text = _WORDS[kind]
    return subject, f"Hello {handle},\n\n{text.format(handle=handle, site=site, link=link)}\n\n-- \nTintype, {site}\n"


_VERIFY_EMAIL: Final = """\
open this link to confirm that this is your address:

{link}

It works once, for three days. If you did not ask for it, do nothing: without it the address is not used."""

_NEW_ONE: Final = """\
somebody, hopefully you, wants to choose a new password for your account. This link lets you:

{link}

It works once, for one hour, and signs out every device. If it was not you, do nothing: your password stays."""

_ALREADY_REGISTERED: Final = """\
somebody, hopefully you, tried to sign up with your e-mail address at {site}. You have an account there: {handle}.

If you forgot its password, ask for a new one. If it was not you, there is nothing to do."""

_CHANGED: Final = """\
the password of your account at {site} was changed just now, and every other device was signed out.

If it was not you, ask for a new password at once, and tell the operator."""

_EMAIL_CHANGED: Final = """\
your account at {site} has another e-mail address from now on. If it was not you, tell the operator."""

_WAYS_CHANGED: Final = """\
a way to sign in to your account at {site} was added or taken away just now: an authenticator app, a passkey, or an
account elsewhere. Your account's log tells which.

If it was not you, change your password at once, sign out everywhere else, and look through the ways that are left."""

_WORDS: Final[Mapping[MailKind, tuple[str, str]]] = {
    MailKind.VERIFY_EMAIL: ("Confirm your e-mail address", _VERIFY_EMAIL),
    MailKind.PASSWORD_RESET: ("Choose a new password", _NEW_ONE),
    MailKind.ALREADY_REGISTERED: ("You have an account already", _ALREADY_REGISTERED),
    MailKind.WAYS_CHANGED: ("A way to sign in to your account has changed", _WAYS_CHANGED),
    MailKind.PASSWORD_CHANGED: ("Your password was changed", _CHANGED),
    MailKind.EMAIL_CHANGED: ("Your e-mail address was changed", _EMAIL_CHANGED),
}
