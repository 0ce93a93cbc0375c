"""Whose request this is, by address: the peer's, or, behind a proxy that is trusted, the one that the proxy names.

Anybody can write `X-Forwarded-For`. A proxy adds the address that it sees to what is there already, so only its own
entry can be believed, and an entry left of that only when it was added by a trusted proxy, too: we go from right to
left and stop at the first address that is no trusted proxy's. One header is read and no other, the one that the proxies
write: they pass on what they do not know, and that is the visitor's to invent.
"""

import ipaddress
import re
from collections.abc import Iterator, Sequence
from enum import StrEnum
from typing import Final, TypeAlias

from litestar.datastructures import Headers

Network: TypeAlias = ipaddress.IPv4Network | ipaddress.IPv6Network
Address: TypeAlias = ipaddress.IPv4Address | ipaddress.IPv6Address

IPV6_PREFIX: Final = 64
"""One customer has a /64 at the least; counting single addresses of it would count nothing."""

MAX_HOPS: Final = 32
"""Nobody has so many proxies; what stands further left was sent by the visitor."""


class ForwardedHeader(StrEnum):
    """The header in which proxies name their client."""

    X_FORWARDED_FOR = "x-forwarded-for"
    FORWARDED = "forwarded"


class Proxies:
    """The proxies that are trusted, and where they say whom they speak for."""

    def __init__(self, networks: Sequence[Network], header: ForwardedHeader = ForwardedHeader.X_FORWARDED_FOR) -> None:
        self._networks = networks
        self._header = header

    def client_of(self, peer: str, headers: Headers) -> str:
        """Return the address of the visitor: the peer's own unless that is a trusted proxy."""
        address = _parsed(peer)
        if address is None or not self._trusts(address):
            return peer
        for named in self._named(headers):
            if named is None:  # unknown or hidden (RFC 7239 §6.2, §6.3): whoever it is came by this proxy
                break
            address = named
            if not self._trusts(address):
                break
        return str(address)

    def _trusts(self, address: Address) -> bool:
        return any(address.version == network.version and address in network for network in self._networks)

    def _named(self, headers: Headers) -> Iterator[Address | None]:
        """Give the addresses that the header names, the latest first; None for what is no address."""
        entries = ",".join(headers.getall(self._header, [])).rsplit(",", MAX_HOPS)[-MAX_HOPS:]
        for entry in reversed(entries):
            if self._header is ForwardedHeader.FORWARDED:
                found = _FOR.search(entry)
                yield _parsed(_without_port((found[1] or found[2] or "") if found else ""))  # `for=""` names nobody
            else:
                yield _parsed(_without_port(entry.strip()))


_FOR: Final = re.compile(r'(?:^|;)\s*for=(?:"([^"\\]*)"|([^;,\s"]+))', re.IGNORECASE)
"""The parameter `for` of an element (RFC 7239 §4): a quoted string when it holds a colon."""


def _without_port(text: str) -> str:
    """Return the address of `192.0.2.1:80`, `[2001:db8::1]:80` or `[2001:db8::1]`."""
    if text.startswith("["):
        return text[1:].partition("]")[0]
    return text.partition(":")[0] if text.count(":") == 1 else text


def _parsed(text: str) -> Address | None:
    try:
        address = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return mapped or address  # a socket for both families names IPv4 clients ::ffff:…, all of them in one /64


def counted_as(address: str) -> str:
    """Return the name under which the address is counted: itself, or its IPv6 /64."""
    parsed = _parsed(address)
    if parsed is None:
        return address
    if isinstance(parsed, ipaddress.IPv4Address):
        return str(parsed)
    return str(ipaddress.ip_network((int(parsed), IPV6_PREFIX), strict=False))
