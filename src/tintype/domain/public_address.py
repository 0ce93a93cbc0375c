"""Which addresses are the public internet's: where the server goes when somebody else says where.

The special-purpose registries of IANA (RFC 6890) are written out here, because what Python's `ipaddress` calls global
has changed between its releases. Of IPv6 only what is assigned for global use (2000::/3) may be public. An IPv6 address
that stands for an IPv4 one is judged by that one where networks translate it today (mapped, NAT64), and refused where
nobody does any more (6to4, Teredo, ISATAP, IPv4-compatible).

An operator may allow networks of their own. The addresses at which clouds hand out credentials are in no network that
is allowed as a whole: each has to be named alone.
"""

from collections.abc import Iterable
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import Final, TypeAlias

Address: TypeAlias = IPv4Address | IPv6Address
Network: TypeAlias = IPv4Network | IPv6Network

_SPECIAL_IPV4: Final = tuple(
    map(
        IPv4Network,
        (
            "0.0.0.0/8",  # this network, RFC 791
            "10.0.0.0/8",  # private, RFC 1918
            "100.64.0.0/10",  # behind a carrier's NAT, RFC 6598
            "127.0.0.0/8",  # loopback, RFC 1122
            "169.254.0.0/16",  # link-local, RFC 3927
            "172.16.0.0/12",  # private, RFC 1918
            "192.0.0.0/24",  # protocol assignments, RFC 6890
            "192.0.2.0/24",  # documentation, RFC 5737
            "192.31.196.0/24",  # AS112, RFC 7535
            "192.52.193.0/24",  # AMT, RFC 7450
            "192.88.99.0/24",  # relays of 6to4, RFC 7526
            "192.168.0.0/16",  # private, RFC 1918
            "192.175.48.0/24",  # AS112, RFC 7534
            "198.18.0.0/15",  # benchmarks, RFC 2544
            "198.51.100.0/24",  # documentation, RFC 5737
            "203.0.113.0/24",  # documentation, RFC 5737
            "224.0.0.0/4",  # multicast, RFC 5771
            "240.0.0.0/4",  # reserved, RFC 1112, and broadcast
        ),
    )
)

_GLOBAL_IPV6: Final = IPv6Network("2000::/3")
_SPECIAL_IPV6: Final = tuple(
    map(
        IPv6Network,
        (
            "2001::/23",  # protocol assignments, RFC 2928: Teredo (RFC 4380), benchmarks, ORCHID
            "2001:db8::/32",  # documentation, RFC 3849
            "2002::/16",  # 6to4, RFC 3056
            "2620:4f:8000::/48",  # AS112, RFC 7534
            "3fff::/20",  # documentation, RFC 9637
        ),
    )
)

_MAPPED: Final = IPv6Network("::ffff:0:0/96")
_NAT64: Final = IPv6Network("64:ff9b::/96")
"""RFC 6052 §2.1. What a network's own prefix translates (64:ff9b:1::/48, RFC 8215) is that network's own."""

_ISATAP: Final = frozenset({0x0000_5EFE, 0x0200_5EFE})
"""What the interface's half of an address begins with in ISATAP (RFC 5214 §6.1), whatever the network."""

METADATA: Final = frozenset(
    map(
        ip_address,
        (
            "169.254.169.254",  # AWS, Azure, Google, DigitalOcean, Oracle, OpenStack
            "169.254.170.2",  # AWS ECS
            "169.254.170.23",  # AWS EKS
            "fd00:ec2::254",  # AWS over IPv6
            "fd00:ec2::23",  # AWS EKS over IPv6
            "fd20:ce::254",  # Google over IPv6
            "100.100.100.200",  # Alibaba
            "192.0.0.192",  # Oracle
            "168.63.129.16",  # Azure: a public address that only its own machines reach
        ),
    )
)
"""Where a machine of a cloud asks for its credentials."""


def is_public(address: Address) -> bool:
    """Return whether the address is one of the public internet."""
    if isinstance(address, IPv4Address):
        return address not in METADATA and not any(address in network for network in _SPECIAL_IPV4)
    if address.scope_id is not None:  # it names an interface of this machine
        return False
    stands_for = _stands_for(address)
    if stands_for is not None:
        return is_public(stands_for)
    if address not in _GLOBAL_IPV6 or int(address) >> 32 & 0xFFFF_FFFF in _ISATAP:
        return False
    return not any(address in network for network in _SPECIAL_IPV6)


def may_reach(address: Address, allowed: Iterable[Network] = ()) -> bool:
    """Return whether the server goes there when somebody else says so: public, or within what the operator allowed."""
    stands_for = _stands_for(address) if isinstance(address, IPv6Address) else None
    meant = stands_for or address
    return is_public(address) or any(_covers(network, meant) for network in allowed)


def _covers(network: Network, address: Address) -> bool:
    if address.version != network.version or (isinstance(address, IPv6Address) and address.scope_id is not None):
        return False
    return address in network and (address not in METADATA or network.num_addresses == 1)


def _stands_for(address: IPv6Address) -> IPv4Address | None:
    """Return the IPv4 address that networks translate this one to, None when it is an address of its own."""
    if address.scope_id is None and (address in _MAPPED or address in _NAT64):
        return IPv4Address(int(address) & 0xFFFF_FFFF)
    return None
