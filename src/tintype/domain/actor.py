"""Who acts, and what they may do: the one decision behind every route.

An actor is what a credential showed: an API key of a tenant, an account, or a key that an account made, which is the
account within the key's scopes. Whoever shows no credential is no actor; tokens of one image or upload are not actors
either, they are told of that one thing.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from tintype.domain.errors import Code, Problem


class Role(StrEnum):
    """What an account is to its tenant."""

    MEMBER = "member"
    MODERATOR = "moderator"
    OPERATOR = "operator"


class Scope(StrEnum):
    """What an action needs. An API key names those that it has; the value is how they are written."""

    IMAGES_READ = "images:read"
    IMAGES_WRITE = "images:write"
    IMAGES_DELETE = "images:delete"
    IMAGES_HOLD = "images:hold"
    JOBS = "jobs"
    ACCOUNT = "account"
    """One's own account: profile, credentials, sessions, export, deletion."""
    ACCOUNTS = "accounts"
    """Other people's accounts: look, suspend, roles."""
    KEYS = "keys"
    USAGE = "usage:read"
    AUDIT = "audit:read"
    WEBHOOKS = "webhooks"
    """Who is told of what happens to the tenant's images."""
    TENANT = "tenant"
    """The tenant's own settings: kinds, presets, origins, anonymous uploads, signing keys."""
    TENANTS = "tenants"
    """Every tenant of the installation, and what it gives out: slugs, host names, quotas. For `default` alone."""


EVERY_SCOPE: Final = frozenset(Scope)

RIGHTS: Final[Mapping[Role, frozenset[Scope]]] = {
    Role.MEMBER: frozenset(),
    Role.MODERATOR: frozenset({Scope.IMAGES_READ, Scope.ACCOUNTS}),
    Role.OPERATOR: EVERY_SCOPE,
}
"""What a role may do with what is other people's, within its tenant."""


@dataclass(frozen=True, slots=True)
class Actor:
    """`key` is the id of the API key that was shown, None for a session; `account` None for a tenant's own key."""

    tenant: int
    key: int | None = None
    account: int | None = None
    role: Role = Role.MEMBER
    scopes: frozenset[Scope] = EVERY_SCOPE

    def may(self, scope: Scope, *, tenant: int, owner: int | None) -> bool:
        """Return whether this actor may do what needs `scope` with something of `tenant` that the account `owner` has.

        None owns what was uploaded anonymously or by the tenant's own keys, and the tenant's settings.
        """
        if tenant != self.tenant or scope not in self.scopes:
            return False
        if self.account is None:
            return True
        return self.account == owner or scope in RIGHTS[self.role]

    def reads(self, tenant: int) -> bool:
        """Return whether this actor may read images of `tenant` at all, if those are shown to them."""
        return tenant == self.tenant and Scope.IMAGES_READ in self.scopes

    def need(self, scope: Scope) -> None:
        """Raise `Problem` auth.forbidden for a key that lacks the scope."""
        if scope not in self.scopes:
            raise Problem(Code.AUTH_FORBIDDEN, f"This API key lacks the scope {scope}.")

    def need_all(self, scope: Scope) -> None:
        """Raise `Problem` auth.forbidden unless this actor may do what needs `scope` with all that the tenant has."""
        self.need(scope)
        if not self.may(scope, tenant=self.tenant, owner=None):
            raise Problem(Code.AUTH_FORBIDDEN, "This is for the operator.")

    @property
    def name(self) -> str:
        """Who this is among the tenant's callers, such as `key 42` or `account 7`."""
        return f"key {self.key}" if self.key is not None else f"account {self.account}"

    @property
    def uploader(self) -> int:
        """Whose an upload is when it is asked whether they had the bytes already: the account, else the tenant."""
        return self.account if self.account is not None else self.tenant
