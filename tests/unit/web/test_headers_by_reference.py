"""Ranges, tags and Accept as we read them, beside another reading of the same RFC: werkzeug's."""

import time
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from werkzeug.http import parse_accept_header, parse_etags, parse_range_header

from fuzz_parsers import HEADERS, Header
from tintype.domain.format import Format
from tintype.web.conditional import Unsatisfiable, is_not_modified, parse_range
from tintype.web.negotiation import choose_format

numbers = st.integers(0, 2_000).map(str) | st.just("")
ranges = st.builds("bytes={}-{}".format, numbers, numbers)
NOW = datetime(2026, 1, 1, tzinfo=UTC)


@given(ranges, st.integers(1, 1_500))
def test_a_range_is_what_it_is_to_others(header: str, size: int) -> None:
    theirs = parse_range_header(header)
    expected = theirs.range_for_length(size) if theirs is not None else None
    try:
        part = parse_range(header, size)
    except Unsatisfiable:
        assert expected is None or header.startswith("bytes=-"), "another server would send something"
        return
    assert part is not None
    if header.startswith("bytes=-"):  # theirs does not stop at the beginning of the file
        assert (part.start, part.end) == (max(0, size - int(header[7:])), size - 1)
    else:
        assert expected == (part.start, part.end + 1)


tags = st.text(st.characters(codec="ascii", categories=["L", "N"]), min_size=1, max_size=6).map('"{}"'.format)
named_tags = st.lists(st.tuples(st.sampled_from(["", "W/"]), tags).map("".join), min_size=1, max_size=5).map(", ".join)


@given(named_tags, tags)
def test_a_tag_is_named_where_others_find_it_named(header: str, ours: str) -> None:
    found = is_not_modified(if_none_match=header, if_modified_since=None, etag=ours, modified=NOW)
    assert found is parse_etags(header).contains_weak(ours.strip('"'))


types = st.sampled_from(["image/webp", "image/jpeg", "image/*", "*/*", "text/html", "image/avif"])
qualities = st.sampled_from(["", ";q=1", ";q=0.5", ";q=0.001", ";q=0", ";q=0.000", "; q=0.9"])
accepts = st.lists(st.tuples(types, qualities).map("".join), min_size=1, max_size=6).map(",".join)


@given(accepts)
def test_webp_goes_to_who_names_it_with_a_quality(header: str) -> None:
    named = any(media == "image/webp" and quality > 0 for media, quality in parse_accept_header(header))
    assert choose_format(header, (Format.JPEG, Format.WEBP)) is (Format.WEBP if named else Format.JPEG)


LONG = 200_000
ENDLESS = [
    "a=" + " " * LONG + '""" x',
    "a" + " " * LONG + "x",
    " " * LONG + "x",
    "a;" * LONG,
    "wait=5" + ";" * LONG + "\n",
    "a=b," * LONG,
    '"' * LONG,
    "bytes=" + " " * LONG + "-",
    "sha-256=" + ":" * LONG,
    'a="' + "\\" * LONG,
    "a;" + " " * LONG + "b=",
    "for=" + " " * LONG,
    ";" + " " * LONG + "for",
    "image/webp" + ";q=0." + "0" * LONG,
]


@pytest.mark.parametrize("header", HEADERS, ids=lambda header: header.name)
def test_no_value_holds_a_parser_up(header: Header) -> None:
    """A regular expression that goes back over 200 kB of blanks took minutes of the event loop."""
    for value in ENDLESS:
        began = time.process_time()
        header._check(value)
        assert time.process_time() - began < 1.0, value[:20]
