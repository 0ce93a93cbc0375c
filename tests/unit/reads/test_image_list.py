import pytest
from hypothesis import given
from hypothesis import strategies as st

from tintype.domain.errors import Code, Problem
from tintype.reads.image_list import make_cursor, parse_cursor


@given(st.integers(0, (1 << 63) - 1))
def test_a_cursor_leads_back_to_where_it_was_made(image_id: int) -> None:
    assert parse_cursor(make_cursor(image_id)) == image_id


@given(st.text(max_size=14))
def test_whatever_else_is_no_cursor(text: str) -> None:
    try:
        assert make_cursor(parse_cursor(text)) == text
    except Problem as problem:
        if problem.code is not Code.REQUEST_UNREADABLE:
            raise


@pytest.mark.parametrize("text", ["", "0", "z" * 11, "0" * 12])
def test_a_number_that_no_id_has_is_no_cursor(text: str) -> None:
    with pytest.raises(Problem):
        parse_cursor(text)
