from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tintype.domain.garbage import is_stale
from tintype.domain.purge import NotAPurge, Purge, purge_from_line

PURGES = st.builds(
    Purge,
    tenant=st.integers(1, 2**63 - 1),
    image=st.integers(0, 2**63 - 1),
    sha256s=st.lists(st.binary(min_size=32, max_size=32), max_size=3).map(tuple),
    purged_at=st.datetimes(min_value=datetime(2026, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001 -- the strategy adds the zone
)


@given(PURGES)
def test_an_entry_reads_as_it_was_written(purge: Purge) -> None:
    line = purge.as_line()
    assert purge_from_line(line) == purge
    assert line.count("\n") == 1


@pytest.mark.parametrize(
    "line", ["", "{}", "[]", "null", '{"v":2}', '{"v":1,"tenant":"x","image":"1","sha256":[],"purged_at":"2026-01-01"}']
)
def test_what_is_no_entry_is_refused(line: str) -> None:
    with pytest.raises(NotAPurge):
        purge_from_line(line)


A, B = b"a" * 32, b"b" * 32


@pytest.mark.parametrize(
    ("reference", "shown", "version", "others", "stale"),
    [
        ((A, 1), A, 1, {1}, False),
        ((A, 1), None, 0, {1}, True),  # the image is gone
        ((A, 1), B, 2, {1}, True),  # it has other bytes
        ((A, 1), A, 2, {1, 2}, True),  # it came twice
        ((A, 1), A, 2, {1}, False),  # an odd version, but the only one: the bytes are in use
        ((A, 2), A, 2, {1, 2}, False),
    ],
)
def test_a_reference_to_what_an_image_shows_is_never_the_last_to_go(
    reference: tuple[bytes, int], shown: bytes | None, version: int, others: set[int], *, stale: bool
) -> None:
    assert is_stale(reference, image_sha256=shown, image_version=version, others=others) is stale
