"""Who may see an image: every viewer before every visibility, and what no visibility opens."""

from typing import Final

import pytest

from tintype.domain.actor import Actor, Role, Scope
from tintype.domain.visibility import Viewer, Visibility, may_view, suits

TENANT: Final = 1
OWNER: Final = 7
NO_SCOPES: Final[frozenset[Scope]] = frozenset()

VIEWERS: Final[dict[str, Viewer]] = {
    "a stranger": Viewer(),
    "who shows its token": Viewer(shown_token=True),
    "its owner": Viewer(Actor(TENANT, account=OWNER)),
    "its owner by a key without the scope": Viewer(Actor(TENANT, key=1, account=OWNER, scopes=NO_SCOPES)),
    "another account": Viewer(Actor(TENANT, account=8)),
    "a follower": Viewer(Actor(TENANT, account=8), follows=True),
    "a follower by a key without the scope": Viewer(Actor(TENANT, key=1, account=8, scopes=NO_SCOPES), follows=True),
    "a follower in another tenant": Viewer(Actor(2, account=8), follows=True),
    "a moderator": Viewer(Actor(TENANT, account=9, role=Role.MODERATOR)),
    "the operator": Viewer(Actor(TENANT, account=9, role=Role.OPERATOR)),
    "the tenant's key": Viewer(Actor(TENANT, key=1)),
    "the tenant's key without the scope": Viewer(Actor(TENANT, key=1, scopes=NO_SCOPES)),
    "another tenant's key": Viewer(Actor(2, key=1)),
    "another tenant's operator": Viewer(Actor(2, account=9, role=Role.OPERATOR)),
}
OVER_ALL: Final = {"a moderator", "the operator", "the tenant's key"}
PRIVATE: Final = OVER_ALL | {"who shows its token", "its owner"}
MAY: Final[dict[Visibility, set[str]]] = {
    Visibility.PUBLIC: set(VIEWERS),
    Visibility.UNLISTED: set(VIEWERS),
    Visibility.FOLLOWERS: PRIVATE | {"a follower"},
    Visibility.PRIVATE: PRIVATE,
}


@pytest.mark.parametrize("visibility", Visibility)
def test_who_may_see_it(visibility: Visibility) -> None:
    seen = {name for name, viewer in VIEWERS.items() if may_view(visibility, tenant=TENANT, owner=OWNER, viewer=viewer)}
    assert seen == MAY[visibility]


@pytest.mark.parametrize("visibility", Visibility)
def test_what_is_withdrawn_is_seen_by_those_who_look_after_everything(visibility: Visibility) -> None:
    seen = {
        name
        for name, viewer in VIEWERS.items()
        if may_view(visibility, tenant=TENANT, owner=OWNER, viewer=viewer, withdrawn=True)
    }
    assert seen == OVER_ALL


def test_what_nobody_has_is_no_account_s_to_see() -> None:
    assert not may_view(Visibility.PRIVATE, tenant=TENANT, owner=None, viewer=VIEWERS["another account"])
    assert not may_view(Visibility.FOLLOWERS, tenant=TENANT, owner=None, viewer=VIEWERS["another account"])


def test_only_an_account_has_followers() -> None:
    assert suits(Visibility.FOLLOWERS, OWNER)
    assert {visibility for visibility in Visibility if not suits(visibility, None)} == {Visibility.FOLLOWERS}
