from hypothesis import given
from hypothesis import strategies as st

from tintype.domain.rate_limit import Charge, RateLimit, Scope, Unit, charges, standings

limits = st.builds(RateLimit, st.integers(1, 1000).map(float), st.floats(0.01, 100))


def charge(limit: RateLimit, cost: float = 1, scope: Scope = Scope.ADDRESS) -> Charge:
    return Charge(scope, Unit.REQUESTS, limit, "192.0.2.1", cost)


def test_an_upload_is_counted_by_those_limits_that_its_owners_have() -> None:
    limit = RateLimit(10, 1)
    known = {(Scope.ADDRESS, Unit.REQUESTS): limit, (Scope.KEY, Unit.BYTES): limit, (Scope.TENANT, Unit.BYTES): limit}
    taken = charges(known, {Scope.KEY: "7", Scope.TENANT: ""}, requests=1, size=4)
    assert [(one.subject, one.cost) for one in taken] == [("key 7 content-bytes", 4), ("tenant  content-bytes", 4)]
    assert charges({}, {Scope.KEY: "7"}, requests=1, size=4) == []


@given(limits, st.integers(0, 10**9))
def test_nothing_costs_more_than_a_bucket_holds(limit: RateLimit, size: int) -> None:
    (taken,) = charges({(Scope.KEY, Unit.BYTES): limit}, {Scope.KEY: "7"}, requests=1, size=size)
    assert taken.cost <= limit.burst


@given(limits, st.floats(0, 1, exclude_max=True))
def test_whoever_waits_as_long_as_told_has_enough(limit: RateLimit, left: float) -> None:
    (standing,) = standings([charge(limit)], [left - 1 - 2e-6])
    assert standing.refused
    assert standing.reset >= 1
    assert left + standing.reset * limit.rate >= 1 - 1e-6


@given(limits, st.floats(0, 1))
def test_what_is_left_fills_up_in_the_time_that_is_told(limit: RateLimit, share: float) -> None:
    (standing,) = standings([charge(limit)], [share * limit.burst])
    assert not standing.refused
    assert standing.left <= share * limit.burst + 1e-6
    assert share * limit.burst + standing.reset * limit.rate >= limit.burst - 1e-6


def test_when_one_bucket_refuses_the_others_show_what_they_had() -> None:
    generous, strict = RateLimit(100, 1), RateLimit(5, 0.5)
    first, second = standings([charge(generous), charge(strict, scope=Scope.TENANT)], [41, -1])
    assert (first.left, first.refused) == (42, False)
    assert (second.left, second.refused, second.reset) == (0, True, 2)
