import pytest

from tintype.web.preference import LONGEST_WAIT_SECONDS, Preferences, parse_preferences


@pytest.mark.parametrize(
    ("header", "wait", "respond_async"),
    [
        ("return=representation", 0, False),
        ("", 0, False),
        ("wait=5", 5, False),
        ('WAIT = "5"', 5, False),
        ("wait=5; strict", 5, False),
        ("return=minimal, wait=3", 3, False),
        ("respond-async, wait=4", 4, True),
        ("respond-async", 0, True),
        ("wait=9999", LONGEST_WAIT_SECONDS, False),
        ("wait=2, wait=7", 2, False),
    ],
)
def test_preferences_are_read_as_the_rfc_spells_them(header: str, wait: int, *, respond_async: bool) -> None:
    assert parse_preferences({"prefer": header}) == Preferences(wait, respond_async)


@pytest.mark.parametrize(
    "header", ["wait", "wait=", "wait=-1", "wait=1.5", "wait=ten", "wait=١", "=5", ",,;", "wait=" + "9" * 50]
)
def test_what_is_no_preference_of_ours_is_as_if_it_had_not_been_sent(header: str) -> None:
    assert parse_preferences({"prefer": header}) == Preferences()


def test_an_answer_says_what_was_done_about_it() -> None:
    assert parse_preferences({"prefer": "respond-async, wait=4"}).applied == {"preference-applied": "wait=4"}
    assert parse_preferences({"prefer": "respond-async"}).applied == {"preference-applied": "respond-async"}
    assert parse_preferences({"prefer": "return=minimal"}).applied == {}
