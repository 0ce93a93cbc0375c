"""URLs that somebody else gives and the server goes to: a picture to fetch, a receiver of events.

What the text may be is decided here, before any name is looked up; where it may lead is `public_address.py`'s to say,
of every address that the name has. A host is taken as it will be looked up: other spellings of an IPv4 address
(decimal, octal, hexadecimal, shortened), zone ids and letters beyond ASCII are refused instead of understood, because
what understands them next may understand them otherwise.
"""

import re
from collections.abc import Collection
from dataclasses import dataclass
from ipaddress import AddressValueError, IPv4Address, IPv6Address
from typing import Final
from urllib.parse import quote, urljoin, urlsplit

from tintype.domain.public_address import Address

MAX_URL_CHARACTERS: Final = 2_048
"""What servers and proxies take; signed URLs of stores have up to a thousand."""

MAX_HOST_CHARACTERS: Final = 253
"""RFC 1035 §2.3.4, without the dot at the end."""

_PORTS: Final = {"http": 80, "https": 443}
_LABEL: Final = re.compile(r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?")
_NUMBER: Final = re.compile(r"[0-9]+|0x[0-9a-f]*")
"""A last label that is one makes the whole host an IPv4 address for browsers and C libraries (WHATWG URL §3.5)."""

_SENT: Final = "/?#[]@!$&'()*+,;=-._~%:"
"""What of a path or query is sent as it stands (RFC 3986 §2.2, §2.3, §2.1)."""


class BadUrl(ValueError):
    """The server does not go there; the text is a sentence that may be shown to whoever gave the URL."""


@dataclass(frozen=True, slots=True)
class OutgoingUrl:
    """Where to go. `path` begins with a slash and has the query; there is no fragment and no credential."""

    scheme: str
    host: str
    """In small letters; an IPv6 address without its brackets."""
    port: int
    path: str
    literal: Address | None
    """The address that the host is, None when it is a name."""

    @property
    def authority(self) -> str:
        """The host as it stands in a URL and in the header `Host`, with a port that is not the scheme's own."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _PORTS[self.scheme] else f"{host}:{self.port}"

    def __str__(self) -> str:
        return f"{self.scheme}://{self.authority}{self.path}"


def parse_outgoing(text: str, ports: Collection[int]) -> OutgoingUrl:
    """Return where the URL leads; `BadUrl` says what is wrong with it. `ports` are those that may be named."""
    if len(text) > MAX_URL_CHARACTERS:
        raise BadUrl(f"A URL has at most {MAX_URL_CHARACTERS} characters.")
    if not text.isprintable() or " " in text or "\\" in text:
        raise BadUrl("A URL has no blanks, control characters or backslashes; spell them with %.")
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        raise BadUrl("This is no URL.") from None
    if parts.scheme not in _PORTS:
        raise BadUrl("A URL begins with https:// or http://.")
    if "@" in parts.netloc:
        raise BadUrl("A URL with a user or a password is not fetched: they would be kept where others may read them.")
    host, literal = _host(parts.hostname or "", bracketed="[" in parts.netloc)
    port = _PORTS[parts.scheme] if port is None else port
    if port not in ports:
        raise BadUrl(f"Port {port} is not one that this server goes to ({', '.join(map(str, sorted(ports)))}).")
    path = quote(parts.path or "/", safe=_SENT) + (f"?{quote(parts.query, safe=_SENT)}" if parts.query else "")
    return OutgoingUrl(parts.scheme, host, port, path if path.startswith("/") else f"/{path}", literal)


def redirected(url: OutgoingUrl, location: str, ports: Collection[int]) -> OutgoingUrl:
    """Return where an answer's `Location` leads on to; `BadUrl` likewise."""
    try:
        return parse_outgoing(urljoin(str(url), location.strip(" \t")), ports)
    except BadUrl:
        raise
    except ValueError:
        raise BadUrl("This is no URL.") from None


def _host(host: str, *, bracketed: bool) -> tuple[str, Address | None]:
    """Return the host as it is looked up, and the address that it is."""
    if bracketed:
        try:
            address = IPv6Address(host)
        except AddressValueError:
            raise BadUrl("The host is no IPv6 address.") from None
        if address.scope_id is not None:
            raise BadUrl("An address with a zone is one of a single machine.")
        return str(address), address
    name = host.removesuffix(".")
    if not name.isascii():
        raise BadUrl("Spell the host in ASCII: an international name begins with xn--.")
    labels = name.split(".")
    if not name or len(name) > MAX_HOST_CHARACTERS or not all(map(_LABEL.fullmatch, labels)):
        raise BadUrl("The host is no name.")
    if not _NUMBER.fullmatch(labels[-1]):
        return name, None
    try:
        return name, IPv4Address(name)
    except AddressValueError:
        raise BadUrl("Spell an IPv4 address with four decimal numbers.") from None
