import pytest

from tintype.domain.errors import Code, Problem
from tintype.domain.rate_limit import RateLimit
from tintype.web.rate_limits import UploadLimiter

ONCE_AN_HOUR = RateLimit(burst=1, rate=1 / 3600)


def share_an_allowance(one: str, other: str) -> bool:
    limiter = UploadLimiter(ONCE_AN_HOUR)
    limiter.charge(one)
    try:
        limiter.charge(other)
    except Problem as problem:
        return problem.code is Code.RATE_LIMITED
    return False


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("192.0.2.1", "::ffff:192.0.2.1"),
        ("::ffff:192.0.2.1", "::ffff:c000:201"),
        ("2001:db8::1", "2001:db8::ffff:ffff:ffff:ffff"),
        ("2001:db8::1%eth0", "2001:db8::2"),
        ("", ""),
    ],
    ids=["the same", "mapped and not", "mapped, spelt twice", "one /64", "a scope in one /64", "without an address"],
)
def test_addresses_of_one_customer_share_an_allowance(one: str, other: str) -> None:
    assert share_an_allowance(one, other)


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
def test_addresses_of_two_customers_do_not(one: str, other: str) -> None:
    assert not share_an_allowance(one, other)


def test_without_a_limit_nobody_is_counted() -> None:
    limiter = UploadLimiter(None)
    for _ in range(1_000):
        limiter.charge("192.0.2.1")
