from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tintype.domain.public_address import METADATA, is_public, may_reach

PUBLIC = (
    *("1.1.1.1", "8.8.8.8", "93.184.215.14", "100.63.255.255", "100.128.0.1", "172.15.255.255", "172.32.0.1"),
    *("192.0.1.1", "198.17.255.255", "223.255.255.255", "11.0.0.1", "128.0.0.1", "192.167.255.255"),
    *("2606:4700:4700::1111", "2a00:1450:4001:80b::200e", "2001:4860:4860::8888", "2400:cb00::1"),
    *("::ffff:8.8.8.8", "64:ff9b::8.8.8.8"),
)

NOT_PUBLIC = {
    "unspecified": ("0.0.0.0", "0.1.2.3", "::"),  # noqa: S104 -- nothing is bound here
    "loopback": ("127.0.0.1", "127.255.255.254", "::1"),
    "private": ("10.0.0.1", "172.16.0.1", "172.31.255.255", "192.168.1.1", "fc00::1", "fd12:3456::1", "fec0::1"),
    "behind a carrier's NAT": ("100.64.0.1", "100.127.255.255"),
    "link-local": ("169.254.0.1", "169.254.169.254", "fe80::1", "fe80::1%eth0", "2606:4700::1111%eth0"),
    "documentation": ("192.0.2.1", "198.51.100.7", "203.0.113.9", "2001:db8::1", "3fff::1"),
    "multicast": ("224.0.0.1", "239.255.255.255", "ff02::1", "ff0e::1"),
    "reserved": ("240.0.0.1", "255.255.255.255", "198.18.0.1", "192.0.0.8", "192.88.99.1", "4000::1", "100::1"),
    "protocols": ("2001::1", "2001:2::1", "2001:20::1", "2620:4f:8000::1", "5f00::1"),
    "mapped": ("::ffff:127.0.0.1", "::ffff:10.1.2.3", "::ffff:169.254.169.254", "::ffff:7f00:1"),
    "compatible": ("::127.0.0.1", "::8.8.8.8", "::a9fe:a9fe"),
    "6to4": ("2002:7f00:1::1", "2002:a9fe:a9fe::", "2002:808:808::1"),
    "Teredo": ("2001:0:4136:e378:8000:63bf:3fff:fdd2", "2001::7f00:1"),
    "NAT64": ("64:ff9b::127.0.0.1", "64:ff9b::a9fe:a9fe", "64:ff9b:1::8.8.8.8"),
    "ISATAP": ("2606:4700::5efe:127.0.0.1", "2606:4700::200:5efe:10.0.0.1"),
    "translated by the host": ("::ffff:0:127.0.0.1", "::ffff:0:8.8.8.8"),
}

EVERYTHING = (ip_network("0.0.0.0/0"), ip_network("::/0"))


@pytest.mark.parametrize("text", PUBLIC)
def test_the_public_internet_is_public(text: str) -> None:
    assert is_public(ip_address(text))


@pytest.mark.parametrize("sort", NOT_PUBLIC)
def test_what_is_not_the_public_internets_is_not(sort: str) -> None:
    assert [text for text in NOT_PUBLIC[sort] if is_public(ip_address(text)) or may_reach(ip_address(text))] == []


@given(st.ip_addresses(v=4))
def test_an_ipv4_address_inside_ipv6_is_never_more_public_than_itself(address: IPv4Address) -> None:
    number = int(address)
    inside = (
        *(number, 0xFFFF << 32 | number, 0x64FF9B << 96 | number, 0x2002 << 112 | number << 80),
        *(0x2001 << 112 | number << 64 | number ^ 0xFFFF_FFFF, 0x2606_4700 << 96 | 0x5EFE << 32 | number),
    )
    for spelt in map(IPv6Address, inside):
        assert is_public(address) or not is_public(spelt), spelt


@given(st.ip_addresses())
def test_nothing_is_public_here_that_python_says_is_not(address: IPv4Address | IPv6Address) -> None:
    if isinstance(address, IPv6Address) and address in ip_network("64:ff9b::/96"):
        return  # judged by the IPv4 address that it stands for
    assert address.is_global or not is_public(address)


def test_an_operators_own_network_is_reached_in_every_spelling_and_no_other() -> None:
    allowed = (ip_network("10.1.0.0/16"), ip_network("fd00:1::/64"))
    for text in ("10.1.2.3", "::ffff:10.1.2.3", "fd00:1::7"):
        assert may_reach(ip_address(text), allowed)
    for text in ("10.2.0.1", "127.0.0.1", "fd00:2::7", "2002:0a01:203::1"):
        assert not may_reach(ip_address(text), allowed)


@pytest.mark.parametrize("address", sorted(METADATA, key=str))
def test_where_clouds_hand_out_credentials_is_reached_only_when_it_is_named_alone(
    address: IPv4Address | IPv6Address,
) -> None:
    assert not may_reach(address, EVERYTHING)
    assert may_reach(address, (ip_network(address),))


def test_an_interface_of_this_machine_is_in_no_network() -> None:
    assert not may_reach(ip_address("fe80::1%1"), EVERYTHING)
