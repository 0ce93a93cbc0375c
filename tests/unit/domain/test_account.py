"""The life of an account, and who decides about it."""

from datetime import UTC, datetime

import pytest

from tintype.domain.account import Account, AccountState, Decision, IllegalMove, ends_operation, move, permit
from tintype.domain.actor import Actor, Role, Scope
from tintype.domain.errors import Problem
from tintype.domain.ids import ACCOUNT_PREFIX, BadId, parse_public_id

TENANT = 7
SUSPEND = Decision(AccountState.SUSPENDED)


def account(role: Role = Role.MEMBER, state: AccountState = AccountState.ACTIVE, number: int = 1) -> Account:
    return Account(
        id=number,
        tenant=TENANT,
        handle="ada",
        email="ada@example.org",
        email_verified_at=None,
        password_hash=None,
        role=role,
        state=state,
        state_reason=None,
        name=None,
        bio=None,
        links=(),
        private=False,
        avatar=None,
        banner=None,
        revision=1,
        created_at=datetime.now(UTC),
    )


def test_every_move_is_in_the_table_or_raises() -> None:
    allowed = {(one, other) for one in AccountState for other in AccountState if _moves(one, other)}
    active, suspended, deleted = AccountState
    stays = {(state, state) for state in AccountState}
    assert allowed - stays == {(active, suspended), (suspended, active), (active, deleted), (suspended, deleted)}


def _moves(current: AccountState, to: AccountState) -> bool:
    try:
        return move(current, to) is to
    except IllegalMove:
        return False


@pytest.mark.parametrize(
    ("actor", "about", "decision", "permitted"),
    [
        (Actor(TENANT, account=2, role=Role.MODERATOR), account(), SUSPEND, True),
        (
            Actor(TENANT, account=2, role=Role.MODERATOR),
            account(Role.MODERATOR),
            Decision(AccountState.SUSPENDED),
            False,
        ),
        (Actor(TENANT, account=2, role=Role.MODERATOR), account(), Decision(role=Role.MODERATOR), False),
        (Actor(TENANT, account=2, role=Role.OPERATOR), account(), Decision(role=Role.OPERATOR), True),
        (Actor(TENANT, account=2, role=Role.OPERATOR), account(number=2), SUSPEND, False),
        (Actor(TENANT, account=2), account(), SUSPEND, False),
        (Actor(8, account=2, role=Role.OPERATOR), account(), SUSPEND, False),
        (Actor(TENANT, key=3), account(Role.OPERATOR), Decision(role=Role.MEMBER), True),
        (Actor(TENANT, key=3, scopes=frozenset({Scope.IMAGES_READ})), account(), Decision(role=Role.MEMBER), False),
        (None, account(), SUSPEND, False),
    ],
)
def test_who_may_decide(actor: Actor | None, about: Account, decision: Decision, permitted: bool) -> None:  # noqa: FBT001 -- a parameter of pytest's
    if permitted:
        permit(decision, about, actor)
    else:
        with pytest.raises(Problem):
            permit(decision, about, actor)


@pytest.mark.parametrize(
    ("about", "decision", "ends"),
    [
        (account(Role.OPERATOR), Decision(role=Role.MEMBER), True),
        (account(Role.OPERATOR), SUSPEND, True),
        (account(Role.OPERATOR), Decision(AccountState.ACTIVE), False),
        (account(Role.OPERATOR, AccountState.SUSPENDED), Decision(role=Role.MEMBER), False),
        (account(), SUSPEND, False),
    ],
)
def test_what_ends_an_operator(about: Account, decision: Decision, ends: bool) -> None:  # noqa: FBT001 -- likewise
    assert ends_operation(decision, about) is ends


def test_an_id_is_read_as_it_is_written_and_nothing_else() -> None:
    one = account(number=123456789)
    assert parse_public_id(ACCOUNT_PREFIX, one.public_id) == one.id
    for text in ("", "acc_", one.public_id[:-1], one.public_id + "0", "img_" + one.public_id[4:], "acc_zzzzzzzzzzz"):
        with pytest.raises(BadId):
            parse_public_id(ACCOUNT_PREFIX, text)
