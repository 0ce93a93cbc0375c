from datetime import timedelta

import pytest

from tintype.domain.actor import Scope
from tintype.tenant_commands import BadWords, wanted_lifetime, wanted_scopes


def test_a_key_s_scopes_and_life_are_read_as_they_are_written() -> None:
    assert wanted_scopes("images:read, jobs") == frozenset({Scope.IMAGES_READ, Scope.JOBS})
    assert wanted_scopes(None) is None
    assert wanted_lifetime("90d") == timedelta(days=90)
    assert wanted_lifetime(None) is None


@pytest.mark.parametrize("text", ["", "root", "images:read,root"])
def test_a_scope_that_there_is_not_is_named_with_those_that_there_are(text: str) -> None:
    with pytest.raises(BadWords, match="there are account"):
        wanted_scopes(text)


@pytest.mark.parametrize("text", ["soon", "0d", "-1h"])
def test_a_time_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(BadWords, match="--expires"):
        wanted_lifetime(text)
