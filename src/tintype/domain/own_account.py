"""Somebody at their own account, and what they show once more before a way to sign in is added or taken away.

A session may have been left open, or its cookie taken: that must not be enough to lock the owner out.
"""

from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final

from tintype.domain.audit import Action, Entry, Requester, account_object

FRESH: Final = timedelta(minutes=10)
"""Who has neither password nor app signs in anew instead (a passkey, an account elsewhere), this long ago at most."""


@dataclass(frozen=True, slots=True)
class Own:
    """Whose account it is. `session` is None for a key that the account made; `by` is whom the audit log names."""

    tenant: int
    account: int
    session: int | None
    by: Requester

    @property
    def name(self) -> str:
        """Who this is among the tenant's callers."""
        return self.by.actor.name if self.by.actor is not None else f"account {self.account}"

    def entry(self, action: Action, **detail: str | int | bool | None) -> Entry:
        """Return what the audit log says once this was done."""
        return Entry(
            action=action, by=self.by, account=self.account, object=account_object(self.account), detail=detail
        )


@dataclass(frozen=True, slots=True)
class Proof:
    """The account's password, or a code of its app or a recovery code; both None: nothing is shown."""

    password: str | None = field(default=None, repr=False)
    code: str | None = field(default=None, repr=False)
