"""E-mail addresses: enough of RFC 5321 to send to everybody's, and nothing that a header or a command could end at.

The address is kept as it was given, for it to be sent to. It is unique in its normal form: in lower case, which every
provider of today treats as the same mailbox, with the domain as the DNS spells it.
"""

import re
from dataclasses import dataclass
from typing import Final

MAX_CHARACTERS: Final = 254
"""RFC 5321 §4.5.3.1.3: a path of 256 with its brackets."""

MAX_LOCAL_CHARACTERS: Final = 64
"""RFC 5321 §4.5.3.1.1."""

_LOCAL: Final = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(?:\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*")
"""A dot-string (RFC 5321 §4.1.2). Quoted ones are nobody's in earnest."""

_LABEL: Final = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")


class BadEmail(ValueError):
    """The text is no address that mail can be sent to; the message is a sentence for whoever gave it."""


@dataclass(frozen=True, slots=True)
class EmailAddress:
    """An address as it was given, and the form in which it is unique."""

    given: str
    normal: str

    def __repr__(self) -> str:
        return "EmailAddress(…)"


def parse_email(text: str) -> EmailAddress:
    """Return the address; `BadEmail` for what is none."""
    local, at, domain = text.strip().rpartition("@")
    if not at or not _LOCAL.fullmatch(local) or len(local) > MAX_LOCAL_CHARACTERS:
        raise BadEmail("This is not an e-mail address such as ada@example.org.")
    host = _domain(domain)
    if len(local) + 1 + len(host) > MAX_CHARACTERS:
        raise BadEmail(f"An e-mail address has at most {MAX_CHARACTERS} characters.")
    return EmailAddress(f"{local}@{host}", f"{local.lower()}@{host}")


def _domain(text: str) -> str:
    """Return the domain as the DNS spells it: `münchen.example` is `xn--mnchen-3ya.example`."""
    try:
        host = text.encode("idna").decode("ascii").lower()
    except UnicodeError:
        raise BadEmail("What stands behind the @ is not the name of a host.") from None
    labels = host.split(".")
    if len(labels) < 2 or not all(_LABEL.fullmatch(label) for label in labels) or labels[-1].isdecimal():
        raise BadEmail("What stands behind the @ is not the name of a host.")
    return host
