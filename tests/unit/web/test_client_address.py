import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st
from litestar.datastructures import Headers

from tintype.web.client_address import MAX_HOPS, ForwardedHeader, Proxies, counted_as

NETWORKS = [ipaddress.ip_network("10.0.0.0/8"), ipaddress.ip_network("2001:db8:1::/48")]
PROXIES = Proxies(NETWORKS)
RFC_7239 = Proxies(NETWORKS, ForwardedHeader.FORWARDED)


def headers(name: str, *values: str) -> Headers:
    return Headers([(name.encode(), value.encode("latin-1")) for value in values])


def by_x_forwarded_for(peer: str, *values: str) -> str:
    return PROXIES.client_of(peer, headers("x-forwarded-for", *values))


@pytest.mark.parametrize(
    ("peer", "values", "client"),
    [
        ("203.0.113.9", ["198.51.100.1"], "203.0.113.9"),
        ("10.0.0.1", [], "10.0.0.1"),
        ("10.0.0.1", ["198.51.100.1"], "198.51.100.1"),
        ("::ffff:10.0.0.1", ["198.51.100.1"], "198.51.100.1"),
        ("10.0.0.1", ["192.0.2.66, 198.51.100.1"], "198.51.100.1"),
        ("10.0.0.1", ["192.0.2.66", "198.51.100.1"], "198.51.100.1"),
        ("10.0.0.1", ["192.0.2.66, 198.51.100.1, 10.0.0.2"], "198.51.100.1"),
        ("10.0.0.1", ["10.0.0.3, 10.0.0.2"], "10.0.0.3"),
        ("2001:db8:1::1", ["2001:db8:ffff::7"], "2001:db8:ffff::7"),
        ("10.0.0.1", ["198.51.100.1:4711"], "198.51.100.1"),
        ("10.0.0.1", ["[2001:db8:ffff::7]:4711"], "2001:db8:ffff::7"),
        ("10.0.0.1", ["198.51.100.1, unknown"], "10.0.0.1"),
        ("10.0.0.1", ["198.51.100.1, "], "10.0.0.1"),
        ("", ["198.51.100.1"], ""),
    ],
    ids=[
        "no proxy is believed unless it is trusted",
        "a proxy that names nobody",
        "what the proxy saw",
        "a proxy on a socket for both families",
        "what the visitor had sent before it",
        "likewise in two lines",
        "two proxies",
        "visitors within the network of the proxies",
        "IPv6",
        "a port",
        "a port of IPv6",
        "a proxy that knows nothing",
        "an empty entry",
        "no peer",
    ],
)
def test_the_client_is_the_last_address_that_no_trusted_proxy_has(peer: str, values: list[str], client: str) -> None:
    assert by_x_forwarded_for(peer, *values) == client


@pytest.mark.parametrize(
    ("value", "client"),
    [
        ("for=198.51.100.1", "198.51.100.1"),
        ('for="[2001:db8:ffff::7]:4711";proto=https', "2001:db8:ffff::7"),
        ("proto=https;For=198.51.100.1;by=10.0.0.1", "198.51.100.1"),
        ("for=192.0.2.66, for=198.51.100.1, for=10.0.0.2", "198.51.100.1"),
        ("for=_hidden", "10.0.0.1"),
        ("by=198.51.100.1", "10.0.0.1"),
    ],
)
def test_forwarded_is_read_as_its_rfc_has_it(value: str, client: str) -> None:
    assert RFC_7239.client_of("10.0.0.1", headers("forwarded", value)) == client


def test_one_header_is_read_and_no_other() -> None:
    both = Headers([(b"forwarded", b"for=198.51.100.1"), (b"x-forwarded-for", b"203.0.113.9")])
    assert PROXIES.client_of("10.0.0.1", both) == "203.0.113.9"
    assert RFC_7239.client_of("10.0.0.1", both) == "198.51.100.1"


def test_a_list_without_end_is_read_to_a_point() -> None:
    assert by_x_forwarded_for("10.0.0.1", ", ".join(["198.51.100.1"] + ["10.0.0.2"] * MAX_HOPS)) == "10.0.0.2"


@given(st.text(alphabet='0123456789.:abcdef[]",;= for%', max_size=60))
def test_any_header_names_an_address_or_the_proxy(value: str) -> None:
    for proxies, name in ((PROXIES, "x-forwarded-for"), (RFC_7239, "forwarded")):
        ipaddress.ip_address(proxies.client_of("10.0.0.1", headers(name, value)))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("192.0.2.1", "::ffff:192.0.2.1"),
        ("::ffff:192.0.2.1", "::ffff:c000:201"),
        ("2001:db8::1", "2001:db8::ffff:ffff:ffff:ffff"),
        ("2001:db8::1%eth0", "2001:db8::2"),
    ],
    ids=["mapped and not", "mapped, spelt twice", "one /64", "a scope in one /64"],
)
def test_addresses_of_one_customer_are_counted_as_one(one: str, other: str) -> None:
    assert counted_as(one) == counted_as(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("192.0.2.1", "192.0.2.2"),
        ("::ffff:192.0.2.1", "::ffff:192.0.2.2"),
        ("::ffff:192.0.2.1", "::1"),
        ("2001:db8::1", "2001:db8:0:1::1"),
    ],
    ids=["IPv4", "mapped IPv4", "mapped and IPv6", "two /64"],
)
def test_addresses_of_two_customers_are_not(one: str, other: str) -> None:
    assert counted_as(one) != counted_as(other)
