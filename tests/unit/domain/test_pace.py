import pytest
from hypothesis import given
from hypothesis import strategies as st

from tintype.domain.pace import Pace, PaceLimits, TooSlow

LIMITS = PaceLimits(stall_seconds=10, min_rate=1000, window_seconds=15)
waits = st.lists(st.floats(0.001, 10), min_size=1, max_size=60)


@given(waits)
def test_who_keeps_to_the_rate_is_never_cut_off(pauses: list[float]) -> None:
    pace = Pace(LIMITS)
    for waited in pauses:
        assert waited <= pace.patience or pace.patience > 0
        pace.note(int(waited * LIMITS.min_rate) + 1, waited)


@given(waits)
def test_who_stays_below_the_rate_is_cut_off_within_a_window_and_a_pause(pauses: list[float]) -> None:
    pace, waited = Pace(LIMITS), 0.0
    for pause in pauses:
        if pause > pace.patience:
            return  # cut off by a timer
        waited += pause
        try:
            pace.note(int(pause * LIMITS.min_rate * 0.9), pause)
        except TooSlow:
            return
    assert waited < LIMITS.window_seconds


def test_a_gap_is_made_up_for_by_what_came_before_it_in_the_window() -> None:
    pace = Pace(LIMITS)
    pace.note(15_000, 1)
    assert pace.patience == LIMITS.stall_seconds
    pace.note(1, 9.9)
    pace.note(1, 9.9)


def test_a_window_says_nothing_for_the_next() -> None:
    pace = Pace(LIMITS)
    pace.note(10**9, 15)
    assert pace.patience == LIMITS.stall_seconds
    pace.note(1, 9)
    assert pace.patience == 6
    with pytest.raises(TooSlow):
        pace.note(1, 6)
