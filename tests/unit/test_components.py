import pytest

import components


@pytest.fixture
def missing(monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setitem(components.COMPONENTS, "abacus", components.Component("an abacus", lambda: None))
    return "abacus"


def test_what_is_missing_skips_the_test_and_says_what_it_needs(missing: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CI", raising=False)
    with pytest.raises(pytest.skip.Exception, match="needs an abacus"):
        components.require(missing)


def test_what_is_missing_fails_the_test_where_nothing_may_be_skipped(
    missing: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CI", "true")
    with pytest.raises(pytest.fail.Exception, match="needs an abacus"):
        components.require(missing)


def test_a_program_outside_of_the_path_of_an_ordinary_user_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    assert components.first_executable("absent-program", "ldconfig") is not None
