"""What an API key may be given, and by whom: never more than its maker has, and never for longer.

A member makes keys for their own account; what such a key may do, it may do with what is the account's. An operator,
or a key of the tenant itself, makes keys of the tenant. A key with the scope `keys` makes others no wider than itself.
"""

from collections.abc import Set as AbstractSet
from datetime import datetime
from typing import Final

from tintype.domain.actor import EVERY_SCOPE, RIGHTS, Actor, Scope
from tintype.domain.errors import Code, Problem

MAX_KEY_NAME_CHARACTERS: Final = 100
"""A name is a line in a list."""

MAX_KEYS: Final = 200
"""Keys of an account, and of a tenant itself: more are not told apart by whoever has to revoke one of them."""

OWN_SCOPES: Final = frozenset(
    {
        *(Scope.IMAGES_READ, Scope.IMAGES_WRITE, Scope.IMAGES_DELETE),
        *(Scope.ACCOUNT, Scope.KEYS, Scope.USAGE, Scope.AUDIT),
    }
)
"""What everybody may do with what is their own."""


def grantable(actor: Actor, *, of_tenant: bool) -> frozenset[Scope]:
    """Return the scopes that the actor may give a key: one of the tenant, or one of the actor's own account."""
    if actor.account is None:
        return actor.scopes
    rights = RIGHTS[actor.role]
    return (rights if of_tenant else rights | OWN_SCOPES) & actor.scopes


def refuse_unless_grantable(actor: Actor, scopes: AbstractSet[Scope], *, of_tenant: bool) -> None:
    """Raise `Problem` auth.forbidden for an actor who may not make such a key."""
    if of_tenant:
        actor.need_all(Scope.KEYS)
    else:
        actor.need(Scope.KEYS)
    lacking = scopes - grantable(actor, of_tenant=of_tenant)
    if lacking:
        message = f"A key is given no more than its maker may do; you may not do {', '.join(sorted(lacking))}."
        raise Problem(Code.AUTH_FORBIDDEN, message)


def refuse_longer_life(expires_at: datetime | None, *, maker_expires_at: datetime | None) -> None:
    """Raise `Problem` auth.forbidden for a key that would outlive the key that makes it."""
    if maker_expires_at is not None and (expires_at is None or expires_at > maker_expires_at):
        ends = maker_expires_at.isoformat(timespec="seconds").replace("+00:00", "Z")
        raise Problem(Code.AUTH_FORBIDDEN, f"A key lives no longer than the key that makes it, which ends at {ends}.")


FIRST_KEY_SCOPES: Final = EVERY_SCOPE - {Scope.TENANTS}
"""What the first key of a new tenant may do: everything, within it."""
