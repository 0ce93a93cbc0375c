"""An account and its life.

```
active → suspended | deleted      suspended → active | deleted      deleted is final
```
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

from tintype.domain.actor import Actor, Role, Scope
from tintype.domain.errors import Code, Problem
from tintype.domain.ids import ACCOUNT_PREFIX, bucket_of, public_id

SESSION_PREFIX: Final = "ses_"


class AccountState(StrEnum):
    """Where an account is in its life."""

    ACTIVE = "active"
    SUSPENDED = "suspended"
    DELETED = "deleted"


_MOVES: Final[Mapping[AccountState, frozenset[AccountState]]] = {
    AccountState.ACTIVE: frozenset({AccountState.SUSPENDED, AccountState.DELETED}),
    AccountState.SUSPENDED: frozenset({AccountState.ACTIVE, AccountState.DELETED}),
    AccountState.DELETED: frozenset(),
}


class IllegalMove(Exception):
    """A state change that the life of an account does not know; nothing was changed."""


def move(current: AccountState, to: AccountState) -> AccountState:
    """Return `to` when an account may go there, else raise `IllegalMove`. To stay is no move, and always right."""
    if to is current or to in _MOVES[current]:
        return to
    message = f"an account that is {current} cannot become {to}"
    raise IllegalMove(message)


@dataclass(frozen=True, slots=True)
class Account:
    """An account's row. `email` is the address as it was given; `avatar` and `banner` are ids of images."""

    id: int
    tenant: int
    handle: str
    email: str
    email_verified_at: datetime | None
    password_hash: str | None
    role: Role
    state: AccountState
    state_reason: str | None
    name: str | None
    bio: str | None
    links: tuple[str, ...]
    private: bool
    avatar: int | None
    banner: int | None
    revision: int
    created_at: datetime

    def __repr__(self) -> str:
        return f"Account({self.public_id})"

    @property
    def bucket(self) -> int:
        """The shard of the account and of all that it has."""
        return bucket_of(self.id)

    @property
    def public_id(self) -> str:
        """The id that clients see."""
        return public_id(ACCOUNT_PREFIX, self.id)

    @property
    def entity_tag(self) -> str:
        """The strong ETag of the account's JSON: another one after every change of the profile."""
        return f'"{self.revision}"'


@dataclass(frozen=True, slots=True)
class Decision:
    """What a moderator or an operator decides about somebody's account; None leaves as it is."""

    state: AccountState | None = None
    reason: str | None = None
    role: Role | None = None


def permit(decision: Decision, account: Account, actor: Actor | None) -> None:
    """Raise `Problem` unless the actor may decide so.

    Nobody decides about themselves, moderators decide about members alone, and roles are for operators. A key of the
    tenant is its operator's.
    """
    if actor is None:
        raise Problem(Code.AUTH_REQUIRED, "Sign in as a moderator or operator.")
    actor.need(Scope.ACCOUNTS)
    if not actor.may(Scope.ACCOUNTS, tenant=account.tenant, owner=None):
        raise Problem(Code.AUTH_FORBIDDEN, "Only moderators and operators decide about accounts.")
    is_operator = actor.account is None or actor.role is Role.OPERATOR
    if actor.account == account.id:
        raise Problem(Code.AUTH_FORBIDDEN, "Nobody decides about their own account. Ask another operator.")
    if not is_operator and account.role is not Role.MEMBER:
        raise Problem(Code.AUTH_FORBIDDEN, "Moderators decide about members. Ask an operator.")
    if decision.role is not None and not is_operator:
        raise Problem(Code.AUTH_FORBIDDEN, "Roles are given by operators.")
    if decision.state is not None and account.state is AccountState.DELETED:
        raise Problem(Code.NOT_FOUND, "There is no such account.")


def ends_operation(decision: Decision, account: Account) -> bool:
    """Return whether an operator would be none any more: the last one of a tenant must stay."""
    if account.role is not Role.OPERATOR or account.state is not AccountState.ACTIVE:
        return False
    return decision.role not in {None, Role.OPERATOR} or decision.state not in {None, AccountState.ACTIVE}
