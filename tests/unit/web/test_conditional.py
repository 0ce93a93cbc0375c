from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tintype.web.conditional import ByteRange, Unsatisfiable, is_not_modified, parse_range, range_applies

MODIFIED = datetime(2026, 5, 4, 3, 2, 1, 999_000, tzinfo=UTC)
ETAG = '"abc"'


def not_modified(if_none_match: str | None = None, if_modified_since: str | None = None) -> bool:
    return is_not_modified(
        if_none_match=if_none_match, if_modified_since=if_modified_since, etag=ETAG, modified=MODIFIED
    )


@pytest.mark.parametrize("header", ['"abc"', 'W/"abc"', '"x", "abc"', "*"])
def test_a_matching_tag_is_not_modified(header: str) -> None:
    assert not_modified(header)


@pytest.mark.parametrize("header", ['"abcd"', "abc", ""])
def test_another_tag_is_modified_whatever_the_date_says(header: str) -> None:
    assert not not_modified(header, format_datetime(MODIFIED + timedelta(days=1), usegmt=True))


def test_without_a_tag_the_date_decides_to_the_second() -> None:
    assert not_modified(None, format_datetime(MODIFIED, usegmt=True))
    assert not not_modified(None, format_datetime(MODIFIED - timedelta(seconds=1), usegmt=True))
    assert not not_modified(None, "yesterday")
    assert not not_modified()


def test_if_range_needs_the_strong_tag_or_the_exact_date() -> None:
    assert range_applies(None, etag=ETAG, modified=MODIFIED)
    assert range_applies(ETAG, etag=ETAG, modified=MODIFIED)
    assert range_applies(format_datetime(MODIFIED, usegmt=True), etag=ETAG, modified=MODIFIED)
    for other in ('W/"abc"', '"x"', format_datetime(MODIFIED + timedelta(seconds=1), usegmt=True), "nonsense"):
        assert not range_applies(other, etag=ETAG, modified=MODIFIED)


digits = st.integers(0, 10**25).map(str) | st.integers(0, 60).map("{:02}".format)
almost_dates = st.builds("{}, {} Nov {} {}:{}:{} {}".format, st.text(max_size=4), *[digits] * 5, st.text(max_size=8))


@given(
    st.text(max_size=40) | almost_dates | st.builds("Sun, 06 Nov {} 08:49:37 {}{}".format, digits, st.text(), digits)
)
@example("Sun, 06 Nov 99999999999999999999 08:49:37 GMT")
@example("Sun, 06 Nov 0001 00:00:00 +2359")
def test_any_text_for_a_date_or_a_tag_is_answered(header: str) -> None:
    assert isinstance(not_modified(None, header), bool)
    assert isinstance(not_modified(header, header), bool)
    assert isinstance(range_applies(header, etag=ETAG, modified=MODIFIED), bool)


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("bytes=0-0", ByteRange(0, 0)),
        ("bytes=2-", ByteRange(2, 9)),
        ("bytes=-3", ByteRange(7, 9)),
        ("bytes=-99", ByteRange(0, 9)),
        ("bytes=5-99", ByteRange(5, 9)),
        ("Bytes= 1-2", ByteRange(1, 2)),
        ("pages=1-2", None),
    ],
)
def test_one_range_is_understood(header: str, expected: ByteRange | None) -> None:
    assert parse_range(header, 10) == expected


@pytest.mark.parametrize(
    "header",
    [
        "bytes=0-1,3-4",
        "bytes=10-",
        "bytes=3-2",
        "bytes=-0",
        "bytes=-",
        "bytes=a-b",
        "bytes=",
        "bytes=" + "9" * 5000 + "-",
    ],
)
def test_several_ranges_nonsense_and_what_is_beyond_the_end_are_refused(header: str) -> None:
    with pytest.raises(Unsatisfiable):
        parse_range(header, 10)


@given(st.text(max_size=30).map(lambda text: "bytes=" + text) | st.text(max_size=30), st.integers(0, 1000))
def test_any_header_is_a_range_within_the_file_or_refused(header: str, size: int) -> None:
    try:
        part = parse_range(header, size)
    except Unsatisfiable:
        return
    assert part is None or (0 <= part.start <= part.end < size and part.length >= 1)
