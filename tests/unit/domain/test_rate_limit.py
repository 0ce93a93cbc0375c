from hypothesis import given
from hypothesis import strategies as st

from tintype.domain.rate_limit import Bucket, RateLimit, full, take

limits = st.builds(RateLimit, st.integers(1, 100).map(float), st.floats(0.1, 100))


def test_the_burst_passes_and_the_next_is_told_when_to_come_again() -> None:
    limit, bucket = RateLimit(burst=3, rate=0.5), full(RateLimit(3, 0.5), now=10.0)
    for _ in range(3):
        decision = take(limit, bucket, now=10.0)
        assert (decision.allowed, decision.retry_after) == (True, 0)
        bucket = decision.bucket
    refused = take(limit, bucket, now=10.0)
    assert (refused.allowed, refused.retry_after) == (False, 2)
    assert take(limit, refused.bucket, now=12.0).allowed


@given(limits, st.lists(st.floats(0, 5), min_size=1, max_size=100))
def test_no_more_than_burst_and_rate_allow_pass_in_any_time(limit: RateLimit, pauses: list[float]) -> None:
    bucket, now, passed = full(limit, 0.0), 0.0, 0
    for pause in pauses:
        now += pause
        decision = take(limit, bucket, now)
        bucket, passed = decision.bucket, passed + decision.allowed
    assert passed <= limit.burst + now * limit.rate + 1e-6


@given(limits, st.floats(0, 100), st.floats(0, 1, exclude_max=True))
def test_whoever_waits_as_long_as_told_passes(limit: RateLimit, now: float, left: float) -> None:
    refused = take(limit, Bucket(left, now), now)
    assert not refused.allowed
    assert take(limit, refused.bucket, now + refused.retry_after + 1e-6).allowed


def test_a_clock_that_goes_back_gives_nothing_and_takes_nothing() -> None:
    limit = RateLimit(burst=1, rate=1)
    bucket = take(limit, full(limit, 100.0), 100.0).bucket
    assert not take(limit, bucket, 50.0).allowed
